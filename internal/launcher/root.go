package launcher

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
	Lookup func(string) (string, bool)
	// Environ is the pod's environment, from which a task's is made.
	Environ        []string
	Stdout, Stderr io.Writer
}

// Main runs the launcher and returns its exit code; exit.go has the table.
func Main(ctx context.Context, args []string, env *Env) int {
	cmd := NewRoot(env)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(env.Stderr, "launcher:", err)
	}
	return exitCode(err)
}

// NewRoot returns the command tree, from which the reference page is made.
func NewRoot(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use:           "launcher",
		Short:         "Runs the tasks of a Metaflow flow inside a Kubeflow Pipelines pod",
		Version:       buildinfo.String("launcher"),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return setting.Resolve(cmd, env.Lookup)
		},
	}
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.AddCommand(
		newRunCommand(env),
		newGateCommand(env),
		newVerifyCommand(env),
		newFinishCommand(env),
		newReferenceCommand(),
	)
	return root
}

func newReferenceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reference", Short: "Print every command, flag and variable as Markdown", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return setting.Reference(cmd.OutOrStdout(), cmd.Root())
		},
	}
}
