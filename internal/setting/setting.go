// Package setting declares each flag and its environment variable in one
// place, with one usage text, from which help and the reference page come.
// A flag given on the command line wins over the variable, the variable over
// the default. Secrets have a variable and no flag.
package setting

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	envAnnotation    = "millrace_env"
	secretAnnotation = "millrace_secret"
)

// Env ties the flag of that name, already declared on flags, to a variable.
// The variable is named in the flag's usage.
func Env(flags *pflag.FlagSet, flag, variable string) {
	f := flags.Lookup(flag)
	f.Usage += " [" + variable + "]"
	annotate(f, envAnnotation, variable)
}

// Secret declares a value that is read from the variable alone, so that it
// never stands on a command line. It is listed in the reference page.
func Secret(flags *pflag.FlagSet, target *string, variable, usage string) {
	name := "env-" + variable
	flags.StringVar(target, name, "", usage+" ["+variable+"]")
	f := flags.Lookup(name)
	f.Hidden = true
	annotate(f, envAnnotation, variable)
	annotate(f, secretAnnotation, "true")
}

func annotate(f *pflag.Flag, key, value string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = []string{value}
}

// Variable returns the flag's variable, if it has one, and whether it is a
// secret.
func Variable(f *pflag.Flag) (name string, secret bool) {
	if v := f.Annotations[envAnnotation]; len(v) == 1 {
		name = v[0]
	}
	return name, len(f.Annotations[secretAnnotation]) == 1
}

// Resolve fills the flags that the command line left alone from their
// variables. Call it in PersistentPreRunE of the root command.
func Resolve(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		variable, secret := Variable(f)
		if secret && f.Changed && failed == nil {
			failed = fmt.Errorf("%s is a secret: set the variable %s, not a flag", f.Name, variable)
		}
		if variable == "" || f.Changed || failed != nil {
			return
		}
		value, ok := lookup(variable)
		if !ok || value == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			shown := value
			if secret {
				shown = "(secret)"
			}
			failed = fmt.Errorf("variable %s=%q for --%s: %w", variable, shown, f.Name, err)
		}
	})
	return failed
}
