package driver

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/kfp"
)

// newStatusCommand says how a run stands, as KFP and as the driver see it.
func newStatusCommand(e *Env) *cobra.Command {
	var server kfpOptions
	var control driverOptions
	var run runID
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how a run stands",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := run.uuid()
			if err != nil {
				return err
			}
			report := askBoth(cmd.Context(), &server, &control, id)
			if report.kfpErr != nil && report.driverErr != nil {
				return errors.Join(report.kfpErr, report.driverErr)
			}
			if asJSON {
				return writeJSON(e.Stdout, report)
			}
			return report.write(e.Stdout, time.Now())
		},
	}
	server.declare(cmd.Flags())
	control.declare(cmd.Flags())
	run.declare(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// askBoth asks KFP and the driver; either may be out of reach.
func askBoth(ctx context.Context, server *kfpOptions, control *driverOptions, id string) *statusReport {
	report := &statusReport{RunID: runPrefix + id, Pools: []poolStatus{}}
	done := make(chan struct{})
	var seen *kfp.Run
	go func() {
		defer close(done)
		seen, report.kfpErr = askKFP(ctx, server, id)
	}()
	known, err := askDriver(ctx, control, report.RunID)
	<-done
	if report.kfpErr == nil {
		report.takeKFP(seen)
	} else {
		report.KFPError = report.kfpErr.Error()
	}
	switch {
	case err == nil:
		report.takeDriver(known)
	case errors.Is(err, driverclient.ErrUnknown) && report.kfpErr == nil:
		report.Reason = "the driver has not heard of the run: none of its pods has started yet"
		if seen.Ended() {
			report.Reason = "the driver never heard of the run: none of its pods got as far as to call it"
		}
	default:
		report.driverErr = err
		report.DriverError = err.Error()
	}
	return report
}

func askKFP(ctx context.Context, server *kfpOptions, id string) (*kfp.Run, error) {
	client, err := server.client()
	if err != nil {
		return nil, err
	}
	return client.Run(ctx, id)
}

func askDriver(ctx context.Context, control *driverOptions, id string) (*driverclient.RunView, error) {
	client, err := control.dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return client.GetRun(ctx, id)
}
