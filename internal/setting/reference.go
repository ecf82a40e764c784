package setting

import (
	"io"

	"github.com/spf13/cobra"
)

// Reference writes the page of every command below root with its flags and
// variables, in Markdown. Hidden commands are left out, secrets' variables are
// listed.
func Reference(w io.Writer, root *cobra.Command) error { return nil }
