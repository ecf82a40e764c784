package driver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/compile"
	"github.com/millrace/millrace/internal/kfp"
)

// newDeployCommand makes a flow's pipeline the newest version at KFP.
func newDeployCommand(e *Env) *cobra.Command {
	var options pipelineOptions
	var server kfpOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Compile a flow and upload it to Kubeflow Pipelines",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := options.compile(e.Stdin)
			if err != nil {
				return err
			}
			client, err := server.client()
			if err != nil {
				return err
			}
			report, err := deploy(cmd.Context(), client, out)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(e.Stdout, report)
			}
			verb := "deployed"
			if report.Unchanged {
				verb = "unchanged"
			}
			_, err = fmt.Fprintf(e.Stdout, "%s: pipeline %s, version %s\n%s\n", verb, report.Pipeline, report.Version, report.URL)
			return err
		},
	}
	options.declare(cmd.Flags())
	server.declare(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type deployReport struct {
	Pipeline   string `json:"pipeline"`
	PipelineID string `json:"pipeline_id"`
	Version    string `json:"version"`
	VersionID  string `json:"version_id"`
	URL        string `json:"url"`
	// Unchanged: the newest version has this very content already.
	Unchanged bool `json:"unchanged"`
}

func deploy(ctx context.Context, client *kfp.Client, flow *compiled) (*deployReport, error) {
	health, err := client.Healthz(ctx)
	if err != nil {
		return nil, err
	}
	if err := health.Supported(); err != nil {
		return nil, err
	}
	description := fmt.Sprintf("Metaflow flow %s (%s), deployed by %s", flow.flow.Flow, flow.flow.Script, flow.flow.Owner)
	done, err := client.Deploy(ctx, flow.flow.Pipeline, description, compile.Digest(flow.document), flow.document, time.Now())
	if err != nil {
		return nil, err
	}
	return &deployReport{
		Pipeline: flow.flow.Pipeline, PipelineID: done.Pipeline.ID, Version: done.Version.Title(), VersionID: done.Version.ID,
		URL: client.PageURL("pipelines", done.Pipeline.ID+"/version/"+done.Version.ID), Unchanged: done.Unchanged,
	}, nil
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
