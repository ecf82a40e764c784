package setting

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Reference writes the page of every command below root with its flags and
// variables, in Markdown. Hidden commands are left out, secrets' variables are
// listed.
func Reference(w io.Writer, root *cobra.Command) error {
	var page strings.Builder
	fmt.Fprintf(&page, "# %s\n\n%s.\n", root.Name(), strings.TrimSuffix(root.Short, "."))
	describe(&page, root)
	_, err := io.WriteString(w, page.String())
	return err
}

// describe writes the commands below cmd, each before those below it.
func describe(page *strings.Builder, cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		// The last two are cobra's own.
		if sub.Hidden || sub.Deprecated != "" || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		if sub.Runnable() {
			fmt.Fprintf(page, "\n## %s\n\n%s.\n\n    %s\n", sub.CommandPath(), strings.TrimSuffix(text(sub), "."), sub.UseLine())
			table(page, sub)
		}
		describe(page, sub)
	}
}

func text(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return strings.TrimSpace(cmd.Long)
	}
	return cmd.Short
}

// table lists the command's own flags, then those it inherits.
func table(page *strings.Builder, cmd *cobra.Command) {
	rows := 0
	row := func(f *pflag.Flag) {
		variable, secret := Variable(f)
		if f.Name == "help" || f.Name == "version" || f.Hidden && !secret {
			return
		}
		if rows == 0 {
			page.WriteString("\n| flag | variable | default | |\n|---|---|---|---|\n")
		}
		rows++
		kind, usage := pflag.UnquoteUsage(f)
		if variable != "" {
			usage = strings.TrimSuffix(usage, " ["+variable+"]")
			variable = code(variable)
		}
		flag := code("--"+f.Name) + " " + kind
		if f.Shorthand != "" {
			flag = code("-"+f.Shorthand) + ", " + flag
		}
		if secret {
			flag, variable = "", variable+" (secret)"
		}
		fmt.Fprintf(page, "| %s | %s | %s | %s |\n", strings.TrimSpace(flag), variable, initial(f), strings.ReplaceAll(usage, "|", `\|`))
	}
	cmd.LocalFlags().VisitAll(row)
	cmd.InheritedFlags().VisitAll(row)
}

// initial is the default, empty when it is nothing at all.
func initial(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "false":
		return ""
	}
	return code(f.DefValue)
}

func code(s string) string { return "`" + s + "`" }
