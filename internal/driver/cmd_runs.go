package driver

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/driverclient"
)

// runReport is one run as the driver lists it.
type runReport struct {
	RunID    string     `json:"run_id"`
	Flow     string     `json:"flow"`
	State    string     `json:"state"`
	Reason   string     `json:"reason,omitempty"`
	OpenedAt *time.Time `json:"opened_at,omitempty"`
	EndedAt  *time.Time `json:"ended_at,omitempty"`
}

// newRunsCommand lists the runs that the driver knows.
func newRunsCommand(e *Env) *cobra.Command {
	var control driverOptions
	var flow string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List the runs that the driver knows, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs, err := listRuns(cmd.Context(), &control, flow)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(e.Stdout, runs)
			}
			return writeRuns(e.Stdout, runs)
		},
	}
	control.declare(cmd.Flags())
	cmd.Flags().StringVar(&flow, "flow", "", "only the runs of this flow")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listRuns(ctx context.Context, control *driverOptions, flow string) ([]runReport, error) {
	client, err := control.dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	found, err := client.ListRuns(ctx, flow)
	runs := make([]runReport, 0, len(found))
	for _, r := range found {
		runs = append(runs, reportRun(r))
	}
	return runs, err
}

func reportRun(r *driverclient.RunSummary) runReport {
	out := runReport{RunID: r.GetRunId(), Flow: r.GetFlow(), State: stateName(r.GetState().String()), Reason: r.GetReason()}
	if t := r.GetOpenedAt(); t.IsValid() {
		out.OpenedAt = new(t.AsTime())
	}
	if t := r.GetEndedAt(); t.IsValid() {
		out.EndedAt = new(t.AsTime())
	}
	return out
}

func stateName(wire string) string { return strings.ToLower(strings.TrimPrefix(wire, "RUN_STATE_")) }

func writeRuns(w io.Writer, runs []runReport) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "run\tflow\tstate\topened\ttook\t")
	for _, r := range runs {
		opened, took := "", ""
		if r.OpenedAt != nil {
			opened = r.OpenedAt.Local().Format(time.DateTime)
			if r.EndedAt != nil {
				took = roughly(r.EndedAt.Sub(*r.OpenedAt))
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.RunID, r.Flow, r.State, opened, took, oneLine(r.Reason))
	}
	return table.Flush()
}
