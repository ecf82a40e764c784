package driver

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newRetryCommand runs on what a failed run left undone.
func newRetryCommand(e *Env) *cobra.Command {
	var server kfpOptions
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
			if err := client.Retry(cmd.Context(), id); err != nil {
				return fmt.Errorf("%w; only a run that has failed and has no pod left can go on", err)
			}
			_, err = fmt.Fprintf(e.Stdout, "run %s%s goes on\n", runPrefix, id)
			return err
		},
	}
	server.declare(cmd.Flags())
	run.declare(cmd.Flags())
	return cmd
}
