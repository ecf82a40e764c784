package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/kfp"
)

// newRetryCommand runs on what a failed run left undone. The driver is told
// first that the run has ended: of one that was terminated it may not know.
func newRetryCommand(e *Env) *cobra.Command {
	var server kfpOptions
	var control driverOptions
	var run runID
	cmd := &cobra.Command{
		Use:   "retry",
		Short: "Let a failed run go on: what succeeded stays",
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
			if err := closeEnded(cmd.Context(), client, &control, id); err != nil {
				fmt.Fprintf(e.Stderr, "driver: the run goes on at KFP; when it was terminated, the driver may take it for over until then: %v\n", err)
			}
			if err := client.Retry(cmd.Context(), id); err != nil {
				return fmt.Errorf("%w; only a run that has failed and has no pod left can go on", err)
			}
			_, err = fmt.Fprintf(e.Stdout, "run %s%s goes on\n", runPrefix, id)
			return err
		},
	}
	server.declare(cmd.Flags())
	control.declare(cmd.Flags())
	run.declare(cmd.Flags())
	return cmd
}

// closeEnded tells the driver how KFP ended the run. A run it never heard of
// has nothing to close; one that goes on is KFP's to refuse.
func closeEnded(ctx context.Context, client *kfp.Client, control *driverOptions, id string) error {
	run, err := client.Run(ctx, id)
	if err != nil || !run.Ended() {
		return err
	}
	driver, err := control.dial()
	if err != nil {
		return err
	}
	defer func() { _ = driver.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := driver.CloseRun(ctx, runPrefix+id, run.State, ""); !errors.Is(err, driverclient.ErrUnknown) {
		return err
	}
	return nil
}
