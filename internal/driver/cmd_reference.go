package driver

import (
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/setting"
)

// newReferenceCommand prints the program's part of docs/reference.md.
func newReferenceCommand(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:    "reference",
		Short:  "Print the reference page of all commands (Markdown)",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return setting.Reference(e.Stdout, cmd.Root())
		},
	}
}
