package launcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/metadata"
	"github.com/millrace/millrace/internal/setting"
	"github.com/millrace/millrace/internal/supervise"
)

// runOptions are those of `run` alone.
type runOptions struct {
	options
	step           string
	serviceURL     string
	serviceHeaders string
	workDir        string
	grace          time.Duration
	metadataBudget time.Duration
	cgroup         string
}

func newRunCommand(env *Env) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use: "run", Short: "Run tasks of a step until the driver has none left for this worker", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), env) },
	}
	flags := cmd.Flags()
	o.declare(flags)
	flags.StringVar(&o.step, "step", "", "the step whose pool this worker joins")
	flags.StringVar(&o.podIP, "pod-ip", "", "where the other members of a gang (num_parallel) reach this pod (default: the address from which it reaches the driver)")
	setting.Env(flags, "pod-ip", "MILLRACE_POD_IP")
	flags.StringVar(&o.cgroup, "cgroup", "", "folder of this pod's control group, version 2 (default: found below /sys/fs/cgroup)")
	setting.Env(flags, "cgroup", "MILLRACE_CGROUP")
	flags.StringVar(&o.serviceURL, "service-url", "", "Metaflow's metadata service (default: the one the flow was deployed with)")
	setting.Env(flags, "service-url", "METAFLOW_SERVICE_URL")
	setting.Secret(flags, &o.serviceHeaders, "METAFLOW_SERVICE_HEADERS", "headers for the metadata service, a JSON object")
	flags.StringVar(&o.workDir, "work-dir", "", "folder for code, working folders and logs (default: the system's for temporary files)")
	setting.Env(flags, "work-dir", "MILLRACE_WORK_DIR")
	flags.DurationVar(&o.grace, "kill-grace", 10*time.Second, "time between SIGTERM and SIGKILL for a task that must end")
	setting.Env(flags, "kill-grace", "MILLRACE_KILL_GRACE")
	flags.DurationVar(&o.metadataBudget, "metadata-budget", 5*time.Minute, "how long the metadata service is waited for before a task's report")
	setting.Env(flags, "metadata-budget", "MILLRACE_METADATA_BUDGET")
	return cmd
}

func (o *runOptions) run(ctx context.Context, env *Env) error {
	if o.step == "" {
		return errors.New("--step: missing; the compiled pipeline gives it")
	}
	s, end, err := begin(env, &o.options, "run", o.step)
	if err != nil {
		return err
	}
	defer end()
	doc, err := s.definition(ctx)
	if err != nil {
		return signaled(ctx, err)
	}
	step, found := doc.flow.Step(o.step)
	if !found {
		return fmt.Errorf("--step: the flow %s has no step %q", doc.flow.Flow, o.step)
	}
	if o.step == doc.flow.StartStep {
		// The first pool alone opens the run with its parameters.
		values, err := s.input.ParametersJSON(doc.flow.Parameters)
		if err != nil {
			return fmt.Errorf("the run's parameters: %w", err)
		}
		s.parameters = &values
	}
	w := &worker{session: s, flow: doc.flow, step: step}
	if step.Parallel {
		host, err := o.reachableAt(ctx)
		if err != nil {
			return err
		}
		if w.address, err = gangAddress(host); err != nil {
			return err
		}
	}
	closePod := func() {}
	defer func() { closePod() }()
	w.ready = func() error {
		if w.run != nil {
			return nil
		}
		p, closing, err := o.pod(w, env)
		if err != nil {
			return err
		}
		w.run, closePod = p.attempt, closing
		return nil
	}
	return w.serve(ctx)
}

// pod makes what this process's attempts share.
func (o *runOptions) pod(w *worker, env *Env) (*pod, func(), error) {
	// The driver counts on it that no write takes longer.
	stores := openStores(env, w.logger, w.terms.LongestWrite)
	headers, err := serviceHeaders(o.serviceHeaders)
	if err != nil {
		return nil, nil, err
	}
	url := o.serviceURL
	if url == "" {
		url = w.flow.Environment["METAFLOW_SERVICE_URL"]
	}
	service, err := metadata.New(metadata.Config{URL: url, Headers: headers, Budget: o.metadataBudget, Logger: w.logger})
	if err != nil {
		return nil, nil, fmt.Errorf("the metadata service (METAFLOW_SERVICE_URL): %w", err)
	}
	store, err := stores.Store(w.flow.Datastore.Type, w.flow.Datastore.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("the flow's datastore: %w", err)
	}
	folder, err := os.MkdirTemp(o.workDir, "millrace-")
	if err != nil {
		return nil, nil, fmt.Errorf("a folder to work in (--work-dir): %w", err)
	}
	encode := filepath.Join(folder, "encode")
	if err := os.Mkdir(encode, 0o700); err != nil {
		return nil, nil, fmt.Errorf("a folder to work in (--work-dir): %w", err)
	}
	supervisor, err := supervise.New(w.logger)
	if err != nil {
		return nil, nil, fmt.Errorf("supervise tasks: %w", err)
	}
	memory := newMemory(o.cgroup)
	artifacts := artifact.New(artifact.Config{
		TempDir: encode, CacheDir: filepath.Join(folder, "artifacts"), CacheBytes: cacheBytes(folder, memory.sample().limit),
	})
	p := &pod{
		worker: w, environ: env.Environ, console: env.Stdout, stores: stores, store: store, metadata: service,
		artifacts: artifacts, supervisor: supervisor, memory: memory,
		folder: folder, grace: o.grace,
	}
	return p, func() {
		supervisor.Close()
		if err := os.RemoveAll(folder); err != nil {
			w.logger.Warn("the folder was not removed", "folder", folder, "error", err)
		}
	}, nil
}

// serviceHeaders reads METAFLOW_SERVICE_HEADERS; what it holds is not shown.
func serviceHeaders(text string) (map[string]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var headers map[string]string
	if json.Unmarshal([]byte(text), &headers) != nil {
		return nil, errors.New("METAFLOW_SERVICE_HEADERS: want a JSON object of strings")
	}
	return headers, nil
}

// fields are further rows of a task's metadata, under the names Metaflow's own
// Kubernetes pods use.
func (a *attempt) fields() map[string]string {
	out := map[string]string{"kfp-run-id": a.input.Run}
	set := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	set("kubernetes-pod-name", a.options.podName)
	set("kubernetes-pod-id", a.options.podUID)
	for _, pair := range a.environ {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "METAFLOW_KUBERNETES_POD_NAMESPACE":
			set("kubernetes-pod-namespace", value)
		case "METAFLOW_KUBERNETES_SERVICE_ACCOUNT_NAME":
			set("kubernetes-pod-service-account-name", value)
		case "METAFLOW_KUBERNETES_NODE_IP":
			set("kubernetes-node-ip", value)
		}
	}
	return out
}
