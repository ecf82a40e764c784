package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/kfp"
)

// deployedReport says what a run that is started now runs.
type deployedReport struct {
	Pipeline         string `json:"pipeline"`
	Version          string `json:"version"`
	VersionID        string `json:"version_id"`
	DefinitionURL    string `json:"definition_url"`
	DefinitionSHA256 string `json:"definition_sha256"`
	URL              string `json:"url"`
}

// newDeployedCommand shows the version that trigger would start.
func newDeployedCommand(e *Env) *cobra.Command {
	var server kfpOptions
	var t trigger
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "deployed",
		Short: "Show which version of a flow is deployed, and from which definition",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := server.client()
			if err != nil {
				return err
			}
			report, err := t.deployed(cmd.Context(), client)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(e.Stdout, report)
			}
			_, err = fmt.Fprintf(e.Stdout, "pipeline %s, version %s\ndefinition %s\n%s\n", report.Pipeline, report.Version, report.DefinitionURL, report.URL)
			return err
		},
	}
	server.declare(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&t.pipeline, "pipeline", "", "name of the pipeline")
	flags.StringVar(&t.version, "version", "", "name of its version (default: the newest)")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (t *trigger) deployed(ctx context.Context, client *kfp.Client) (*deployedReport, error) {
	if t.pipeline == "" {
		return nil, errors.New("--pipeline is missing")
	}
	version, err := t.find(ctx, client)
	if err != nil {
		return nil, err
	}
	definition, err := version.Definition()
	if err != nil {
		return nil, fmt.Errorf("pipeline %q: %w", t.pipeline, err)
	}
	return &deployedReport{
		Pipeline: t.pipeline, Version: version.Title(), VersionID: version.ID,
		DefinitionURL: definition.URL, DefinitionSHA256: definition.SHA256,
		URL: client.PageURL("pipelines", version.PipelineID+"/version/"+version.ID),
	}, nil
}
