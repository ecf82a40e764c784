package launcher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/failpoint"
)

// longestWait bounds the pause that the driver may ask for between two calls:
// what it waits for may happen sooner.
const longestWait = 5 * time.Second

func newGateCommand(env *Env) *cobra.Command {
	var o options
	var step string
	cmd := &cobra.Command{
		Use: "gate", Short: "Wait until a step's pool is drained, then output the worker lists it decides", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if step == "" {
				return errors.New("--step: missing; the compiled pipeline gives it")
			}
			s, end, err := begin(env, &o, "gate", step)
			if err != nil {
				return err
			}
			defer end()
			return signaled(cmd.Context(), s.gate(cmd.Context(), step))
		},
	}
	o.declare(cmd.Flags())
	cmd.Flags().StringVar(&step, "step", "", "the step whose pool is watched")
	return cmd
}

// gate waits until the pool is drained. It fails when the run has.
func (s *session) gate(ctx context.Context, pool string) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	for {
		var answer driverclient.Answer
		err := s.within(ctx, func(ctx context.Context) (err error) {
			answer, err = s.driver.AwaitGate(ctx, pool, s.incarnation, s.options.retryIndex)
			return err
		})
		switch {
		case err != nil:
			return err
		case answer.Ended != nil:
			return runFailed(answer.Ended.Reason)
		case answer.Drained:
			if err := failpoint.Hit(failpoint.LauncherGateDrained); err != nil {
				return fmt.Errorf("gate of %s: %w", pool, err)
			}
			return writeOutputs(s.input.Outputs, answer.Lists)
		}
		if err := sleep(ctx, min(answer.Wait, longestWait)); err != nil {
			return err
		}
	}
}
