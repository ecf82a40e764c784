package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/kfp"
)

// newTriggerCommand starts a run of a deployed flow.
func newTriggerCommand(e *Env) *cobra.Command {
	var server kfpOptions
	var t trigger
	var parameters string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trigger",
		Short: "Start a run of a deployed flow",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if parameters != "" {
				raw, err := readFile(parameters, "--parameters", e.Stdin)
				if err != nil {
					return err
				}
				if t.values, err = readValues(raw); err != nil {
					return fmt.Errorf("--parameters: %w", err)
				}
			}
			if err := t.resume.check(t.values); err != nil {
				return err
			}
			client, err := server.client()
			if err != nil {
				return err
			}
			report, err := t.run(cmd.Context(), client)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(e.Stdout, report)
			}
			_, err = fmt.Fprintf(e.Stdout, "started run %s of pipeline %s\n%s\n", report.RunID, t.pipeline, report.URL)
			return err
		},
	}
	server.declare(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&t.pipeline, "pipeline", "", "name of the pipeline")
	flags.StringVar(&t.version, "version", "", "name of its version (default: the newest)")
	flags.StringVar(&parameters, "parameters", "", "file of a JSON object with the exact values of parameters; - is standard input")
	t.resume.declare(flags)
	flags.StringVar(&t.name, "run-name", "", "the run's name on KFP's pages (default: pipeline and time)")
	flags.StringVar(&t.experiment, "experiment", kfp.DefaultExperiment, "experiment of the run; made if need be")
	flags.StringVar(&t.serviceAccount, "service-account", "", "Kubernetes service account of the run's pods")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// trigger is one request for a run.
type trigger struct {
	pipeline, version, name, experiment, serviceAccount string
	values                                              values
	resume                                              resume
}

type triggerReport struct {
	// RunID is Metaflow's id of the run, KFPRunID the uuid in it.
	RunID    string `json:"run_id"`
	KFPRunID string `json:"kfp_run_id"`
	URL      string `json:"url"`
}

func (t *trigger) run(ctx context.Context, client *kfp.Client) (*triggerReport, error) {
	if t.pipeline == "" {
		return nil, errors.New("--pipeline is missing")
	}
	version, err := t.find(ctx, client)
	if err != nil {
		return nil, err
	}
	declared, err := version.Inputs()
	if err != nil {
		return nil, err
	}
	inputs, err := t.inputs(declared)
	if err != nil {
		return nil, err
	}
	experiment, err := client.Experiment(ctx, t.experiment)
	if err != nil {
		return nil, err
	}
	name := t.name
	if name == "" {
		name = t.pipeline + " " + time.Now().UTC().Format("2006-01-02 15:04:05")
	}
	run, err := client.CreateRun(ctx, kfp.NewRun{
		DisplayName: name, ExperimentID: experiment.ID, ServiceAccount: t.serviceAccount,
		Version: kfp.VersionReference{PipelineID: version.PipelineID, VersionID: version.ID},
		Runtime: kfp.RuntimeConfig{Parameters: inputs},
	})
	if errors.Is(err, kfp.ErrUnreachable) {
		return nil, fmt.Errorf("%w; the run may have started all the same: look for %q before you try again", err, name)
	}
	if err != nil {
		return nil, err
	}
	return &triggerReport{RunID: runPrefix + run.ID, KFPRunID: run.ID, URL: client.PageURL("runs", run.ID)}, nil
}

// inputs are the root inputs of the run.
func (t *trigger) inputs(declared map[string]kfp.Input) (map[string]json.RawMessage, error) {
	if t.resume.from != "" {
		return t.resume.inputs(t.pipeline, declared)
	}
	return t.values.inputs(t.pipeline, declared)
}

// find returns the version to run, with its spec.
func (t *trigger) find(ctx context.Context, client *kfp.Client) (*kfp.Version, error) {
	pipeline, err := client.PipelineByName(ctx, t.pipeline)
	if errors.Is(err, kfp.ErrNotFound) {
		return nil, fmt.Errorf("%w; deploy the flow first (kubeflow-pipelines create)", err)
	}
	if err != nil {
		return nil, err
	}
	versions, err := client.Versions(ctx, pipeline.ID)
	if err != nil {
		return nil, err
	}
	for i := range versions {
		if t.version == "" || versions[i].Title() == t.version || versions[i].ID == t.version {
			// A listing may leave the spec out.
			full, err := client.Version(ctx, pipeline.ID, versions[i].ID)
			if err != nil {
				return nil, err
			}
			full.PipelineID, full.ID = pipeline.ID, versions[i].ID
			return full, nil
		}
	}
	if t.version != "" {
		return nil, fmt.Errorf("pipeline %q has no version %q", t.pipeline, t.version)
	}
	return nil, fmt.Errorf("pipeline %q has no version: deploy the flow first (kubeflow-pipelines create)", t.pipeline)
}
