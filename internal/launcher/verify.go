package launcher

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/driverclient"
)

func newVerifyCommand(env *Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "verify", Short: "Fail unless the driver calls the run complete", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, end, err := begin(env, &o, "verify", "")
			if err != nil {
				return err
			}
			defer end()
			return signaled(cmd.Context(), s.verify(cmd.Context()))
		},
	}
	o.declare(cmd.Flags())
	return cmd
}

// verify asks whether the run is complete. KFP calls a run succeeded when
// tasks were left out, so its own view does not count.
func (s *session) verify(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	var state driverclient.RunState
	var reason string
	err := s.within(ctx, func(ctx context.Context) (err error) {
		state, reason, err = s.driver.VerifyRun(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case state == driverclient.RunSucceeded:
		return writeOutputs(s.input.Outputs, nil)
	}
	if reason == "" {
		reason = "the driver gives no reason"
	}
	return runFailed(fmt.Sprintf("the run is %s: %s", state, reason))
}

func newFinishCommand(env *Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "finish", Short: "Tell the driver how Kubeflow Pipelines saw the flow end (the exit hook)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, end, err := begin(env, &o, "finish", "")
			if err != nil {
				return err
			}
			defer end()
			// KFP takes no notice of an exit hook's failure; nor do we.
			if err := s.finish(cmd.Context()); err != nil {
				s.logger.Error("the driver was not told of the flow's end", "error", err)
			}
			return nil
		},
	}
	o.declare(cmd.Flags())
	return cmd
}

// finish records how KFP saw the flow end.
func (s *session) finish(ctx context.Context) error {
	if s.input.Status == nil {
		return errors.New("--executor-input holds no status of the flow; the exit hook alone is given one")
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	var state driverclient.RunState
	err := s.within(ctx, func(ctx context.Context) (err error) {
		state, err = s.driver.FinishRun(ctx, s.input.Status.State, s.input.Status.Error.Message)
		return err
	})
	if err != nil {
		return err
	}
	s.logger.Info("the flow has ended", "kfp", s.input.Status.State, "run_state", state)
	return writeOutputs(s.input.Outputs, nil)
}
