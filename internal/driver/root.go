// Package driver is the control plane's wiring: one file per command.
package driver

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/buildinfo"
	"github.com/millrace/millrace/internal/setting"
)

// Env is what the program was started with; commands take it instead of
// reading globals.
type Env struct {
	Lookup         func(string) (string, bool)
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Main runs the driver and returns its exit code: 0 done, 1 failed.
func Main(ctx context.Context, args []string, env *Env) int {
	cmd := NewRoot(env)
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(env.Stderr, "driver:", err)
		return 1
	}
	return 0
}

// NewRoot returns the command tree, from which the reference page is made.
func NewRoot(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "driver",
		Short:         "Compiles, deploys and schedules Metaflow flows on Kubeflow Pipelines",
		Version:       buildinfo.String("driver"),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return setting.Resolve(cmd, env.Lookup)
		},
	}
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.AddCommand(
		// One line per verb; each lives in cmd_<verb>.go.
		newServeCommand(env),
		newDevCommand(env),
		newCompileCommand(env),
		newDeployCommand(env),
		newDeployedCommand(env),
		newTriggerCommand(env),
		newStatusCommand(env),
		newTerminateCommand(env),
		newRetryCommand(env),
		newRunsCommand(env),
		newTasksCommand(env),
		newReferenceCommand(env),
	)
	return root
}
