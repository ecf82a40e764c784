package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/dev/home"
)

// EnvOptions are those of `driver dev env`.
type EnvOptions struct {
	// Wait until the stack is ready, for at most Timeout.
	Wait    bool
	Timeout time.Duration
}

const readyPause = 50 * time.Millisecond

// Env returns the shell lines that point Metaflow at the stack of a home.
func Env(ctx context.Context, dir string, o EnvOptions) (string, error) {
	if dir == "" {
		return "", errors.New("the home is missing: set --home or MILLRACE_HOME")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("home %s: %w", dir, err)
	}
	record, err := awaitReady(ctx, dir, o)
	if err != nil {
		return "", err
	}
	token, err := home.ReadToken(dir)
	if err != nil {
		return "", err
	}
	vars, err := variables(dir, token, record)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, v := range vars {
		if v[1] != "" {
			fmt.Fprintf(&out, "export %s=%s\n", v[0], quote(v[1]))
		}
	}
	return out.String(), nil
}

// awaitReady returns the record of a stack whose roles answer.
func awaitReady(ctx context.Context, dir string, o EnvOptions) (home.Record, error) {
	if o.Wait {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Timeout)
		defer cancel()
	}
	for {
		record, err := home.ReadRecord(dir)
		if err == nil {
			err = answers(ctx, dir, record)
		}
		if err == nil || !o.Wait {
			return record, err
		}
		select {
		case <-ctx.Done():
			return record, fmt.Errorf("driver dev on %s is not ready within %s: %w", dir, o.Timeout, err)
		case <-time.After(readyPause):
		}
	}
}

// answers asks every role of the stack's process.
func answers(ctx context.Context, dir string, r home.Record) error {
	if r.PID == 0 || !home.InUse(dir) {
		return fmt.Errorf("nothing runs on %s: start `driver dev --home %s`", dir, dir)
	}
	for role, url := range map[string]string{
		RoleKFP: "http://" + r.KFP + "/livez", RoleMetadata: "http://" + r.Metadata + "/livez", RoleDriver: r.DriverHTTP + "/readyz",
	} {
		if !slices.Contains(r.Roles, role) {
			continue
		}
		if err := probe(ctx, url); err != nil {
			return fmt.Errorf("the role %s does not answer: %w", role, err)
		}
	}
	return nil
}

func probe(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, reply.Status)
	}
	return nil
}

// variables are what Metaflow and our commands read, in the order shown;
// empty ones are left out.
func variables(dir, token string, r home.Record) ([][2]string, error) {
	headers, err := json.Marshal(map[string]string{"Authorization": "Bearer " + token})
	if err != nil {
		return nil, err
	}
	tokenFile := filepath.Join(dir, "token")
	out := [][2]string{{"MILLRACE_HOME", dir}, {"MILLRACE_TOKEN_FILE", tokenFile}}
	if r.KFP != "" {
		out = append(out, [][2]string{{"METAFLOW_KUBEFLOW_PIPELINES_URL", "http://" + r.KFP}, {"KF_PIPELINES_SA_TOKEN_PATH", tokenFile}}...)
	}
	if r.Metadata != "" {
		out = append(out, [][2]string{
			{"METAFLOW_DEFAULT_METADATA", "service"}, {"METAFLOW_SERVICE_URL", "http://" + r.Metadata}, {"METAFLOW_SERVICE_HEADERS", string(headers)},
		}...)
	}
	out = append(out, [][2]string{
		{"MILLRACE_DRIVER", r.Driver},
		{"MILLRACE_DRIVER_HTTP", r.DriverHTTP},
		{"MILLRACE_LAUNCHER_DIR", r.LauncherDir},
		{"MILLRACE_POD_SECRETS", "millrace/token=MILLRACE_TOKEN,millrace/service-headers=METAFLOW_SERVICE_HEADERS"},
	}...)
	return append(out, r.Variables(dir)...), nil
}

// quote makes one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
