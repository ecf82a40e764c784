package driver

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// newCompileCommand makes the pipeline's file without deploying it.
func newCompileCommand(e *Env) *cobra.Command {
	var options pipelineOptions
	var output string
	cmd := &cobra.Command{
		Use:   "compile",
		Short: "Make the KFP pipeline of a flow",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			out, err := options.compile(e.Stdin)
			if err != nil {
				return err
			}
			if output == "" || output == "-" {
				_, err = e.Stdout.Write(out.document)
				return err
			}
			if err := os.WriteFile(output, out.document, 0o644); err != nil {
				return fmt.Errorf("write the pipeline: %w", err)
			}
			return nil
		},
	}
	options.declare(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	return cmd
}
