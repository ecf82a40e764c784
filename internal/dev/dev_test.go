package dev

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/dev/home"
	"github.com/millrace/millrace/internal/dev/pod"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "dev" && os.Args[2] == "pod-supervise" {
		os.Exit(pod.Supervise(os.Stdin))
	}
	goleak.VerifyTestMain(m)
}

// running is a stack in this process.
type running struct {
	t    *testing.T
	dir  string
	vars map[string]string
	end  context.CancelFunc
	done chan error
}

func config(t *testing.T, dir string, roles ...string) Config {
	return Config{
		Home: dir, Roles: roles, Slots: 2, Vanish: VanishRemake, LauncherDir: t.TempDir(), PodProxy: true,
		Stdout: t.Output(), Stderr: t.Output(),
	}
}

func run(t *testing.T, c Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, dir: c.Home, end: cancel, done: make(chan error, 1)}
	go func() { r.done <- Run(ctx, c) }()
	t.Cleanup(r.stop)
	text, err := Env(t.Context(), c.Home, EnvOptions{Wait: true, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	r.vars = map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		r.vars[name] = strings.Trim(value, "'")
	}
	return r
}

// stop ends the stack as ctrl-C does.
func (r *running) stop() {
	r.end()
	if r.done == nil {
		return
	}
	if err := <-r.done; err != nil {
		r.t.Errorf("driver dev ended with %v", err)
	}
	r.done = nil
	http.DefaultClient.CloseIdleConnections()
}

func (r *running) token() string {
	token, err := home.ReadToken(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

func TestPortsAreKept(t *testing.T) {
	dir := t.TempDir()
	r := run(t, config(t, dir, RoleKFP, RoleMetadata))
	first := r.vars
	if err := Run(t.Context(), config(t, dir, RoleKFP)); err == nil || !strings.Contains(err.Error(), "another driver dev") {
		t.Errorf("a second stack on one home: %v", err)
	}
	r.stop()
	if _, err := Env(t.Context(), dir, EnvOptions{}); err == nil || !strings.Contains(err.Error(), "nothing runs") {
		t.Errorf("env of a stopped stack: %v", err)
	}
	r = run(t, config(t, dir, RoleKFP, RoleMetadata))
	for _, name := range []string{"METAFLOW_KUBEFLOW_PIPELINES_URL", "METAFLOW_SERVICE_URL", "METAFLOW_SERVICE_HEADERS"} {
		if first[name] == "" || r.vars[name] != first[name] {
			t.Errorf("%s was %q, is %q", name, first[name], r.vars[name])
		}
	}
}

func TestTakenPort(t *testing.T) {
	dir := t.TempDir()
	r := run(t, config(t, dir, RoleMetadata))
	address := strings.TrimPrefix(r.vars["METAFLOW_SERVICE_URL"], "http://")
	r.stop()
	taken, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := Run(t.Context(), config(t, dir, RoleMetadata)); err == nil || !strings.Contains(err.Error(), "another program took a port") {
		t.Errorf("error %v", err)
	}
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*Config)
		message string
	}{
		{"home", func(c *Config) { c.Home = "" }, "--home"},
		{"role", func(c *Config) { c.Roles = []string{"queue"} }, `"queue"`},
		{"no role", func(c *Config) { c.Roles = nil }, "--roles"},
		{"slots", func(c *Config) { c.Slots = 0 }, "--slots 0"},
		{"vanish", func(c *Config) { c.Vanish = "no" }, `--vanish "no"`},
		{"s3", func(c *Config) { c.Datastore.S3Root = "bucket" }, `--s3-root "bucket"`},
		{"gs", func(c *Config) { c.Datastore.GSRoot = "s3://bucket" }, `--gs-root "s3://bucket"`},
		{"azure", func(c *Config) { c.Datastore.AzureRoot = "azure://container" }, `--azure-root "azure://container"`},
		{"azure's account", func(c *Config) { c.Datastore.AzureRoot = "container" }, "--azure-endpoint"},
		{"two roots", func(c *Config) { c.Datastore.S3Root, c.Datastore.GSRoot = "s3://b", "gs://b" }, "exclude each other"},
		{"two drivers", func(c *Config) { c.Roles, c.Driver = []string{RoleDriver}, "127.0.0.1:1" }, "external driver"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config(t, t.TempDir(), RoleKFP)
			test.change(&c)
			if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error %v, want %s", err, test.message)
			}
		})
	}
}

// A stranger gets a 4xx from both ports, whatever is wrong, and starts
// nothing.
func TestStrangers(t *testing.T) {
	r := run(t, config(t, t.TempDir(), RoleKFP, RoleMetadata))
	kfp, metadata := r.vars["METAFLOW_KUBEFLOW_PIPELINES_URL"], r.vars["METAFLOW_SERVICE_URL"]
	right := "Bearer " + r.token()
	for _, test := range []struct {
		name                               string
		authorization, host, origin, media string
		status                             int
	}{
		{"no token", "", "", "", "application/json", 401},
		{"wrong token", "Bearer x", "", "", "application/json", 401},
		{"token as a password", strings.Replace(right, "Bearer", "Basic", 1), "", "", "application/json", 401},
		{"a web page", right, "", "http://evil.example", "application/json", 403},
		{"a page of no origin", right, "", "null", "application/json", 403},
		{"a page of another port", right, "", "http://127.0.0.1:1", "application/json", 403},
		{"a rebound name", right, "evil.example", "", "application/json", 403},
		{"a form", right, "", "", "application/x-www-form-urlencoded", 415},
		{"text", right, "", "", "text/plain", 415},
		{"no type", right, "", "", "", 415},
		{"an upload elsewhere", right, "", "", "multipart/form-data; boundary=b", 415},
	} {
		for _, url := range []string{kfp + "/apis/v2beta1/pipelines", kfp + "/apis/v2beta1/runs", kfp + "/dev/pods/x:fail", metadata + "/flows/F", metadata + "/flows/F/run"} {
			t.Run(test.name+" "+url[strings.LastIndex(url, "/"):], func(t *testing.T) {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"name":"x","display_name":"x"}`))
				if err != nil {
					t.Fatal(err)
				}
				for name, value := range map[string]string{"Authorization": test.authorization, "Origin": test.origin, "Content-Type": test.media} {
					if value != "" {
						request.Header.Set(name, value)
					}
				}
				request.Host = test.host
				reply, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer reply.Body.Close()
				body, _ := io.ReadAll(reply.Body)
				if reply.StatusCode != test.status || !strings.Contains(string(body), `"message"`) {
					t.Errorf("%d %s, want %d", reply.StatusCode, body, test.status)
				}
			})
		}
	}
	for url, want := range map[string]string{kfp + "/apis/v2beta1/pipelines": "{}", kfp + "/apis/v2beta1/runs": "{}", metadata + "/flows": "[]"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", right)
		reply, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		if got := strings.TrimSpace(string(body)); got != want {
			t.Errorf("%s now has %s", url, got)
		}
	}
}

// Files with secrets are their owner's alone.
func TestModes(t *testing.T) {
	r := run(t, config(t, filepath.Join(t.TempDir(), "home"), RoleKFP, RoleMetadata))
	for path, want := range map[string]os.FileMode{
		"": 0o700, "token": 0o600, "secrets": 0o700, "secrets/millrace/token": 0o600, "secrets/millrace/service-headers": 0o600, "dev.json": 0o600,
	} {
		info, err := os.Stat(filepath.Join(r.dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%q has mode %v, want %v", path, info.Mode().Perm(), want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got := quote("it's $HOME"); got != `'it'\''s $HOME'` {
		t.Error(got)
	}
}
