package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/driverclient"
)

// newTerminateCommand stops a run: the driver first, so that tasks end as
// cancelled and not as lost, then KFP.
func newTerminateCommand(e *Env) *cobra.Command {
	var server kfpOptions
	var control driverOptions
	var run runID
	var reason string
	cmd := &cobra.Command{
		Use:   "terminate",
		Short: "Stop a run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := run.uuid()
			if err != nil {
				return err
			}
			client, err := server.client()
			if err != nil {
				return err
			}
			if err := cancelRun(cmd.Context(), &control, runPrefix+id, reason); err != nil {
				fmt.Fprintf(e.Stderr, "driver: the run is terminated at KFP alone: %v\n", err)
			}
			if err := client.Terminate(cmd.Context(), id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.Stdout, "run %s%s is being terminated\n", runPrefix, id)
			return err
		},
	}
	server.declare(cmd.Flags())
	control.declare(cmd.Flags())
	run.declare(cmd.Flags())
	cmd.Flags().StringVar(&reason, "reason", "terminated by hand", "why, for the run's record")
	return cmd
}

// cancelRun tells the driver. A run it never heard of has nothing to cancel.
func cancelRun(ctx context.Context, control *driverOptions, id, reason string) error {
	client, err := control.dial()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := client.CancelRun(ctx, id, reason); !errors.Is(err, driverclient.ErrUnknown) {
		return err
	}
	return nil
}
