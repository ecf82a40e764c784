package setting

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

type values struct {
	address, token string
	patience       time.Duration
}

func program(v *values) *cobra.Command {
	root := &cobra.Command{Use: "mill", Short: "Grinds"}
	run := &cobra.Command{Use: "run", Short: "Run the mill", RunE: func(*cobra.Command, []string) error { return nil }}
	run.Flags().StringVar(&v.address, "address", "127.0.0.1:1", "host|port to grind at")
	Env(run.Flags(), "address", "MILL_ADDRESS")
	run.Flags().DurationVarP(&v.patience, "patience", "p", time.Second, "how long to wait")
	Secret(run.Flags(), &v.token, "MILL_TOKEN", "the key to the door")
	root.AddCommand(run, &cobra.Command{Use: "internal", Hidden: true, Run: func(*cobra.Command, []string) {}})
	return root
}

func TestResolve(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want values
		err  string
	}{
		{name: "defaults", want: values{"127.0.0.1:1", "", time.Second}},
		{name: "variables", env: map[string]string{"MILL_ADDRESS": "a:2", "MILL_TOKEN": "x"}, want: values{"a:2", "x", time.Second}},
		{name: "the flag wins", args: []string{"--address", "b:3"}, env: map[string]string{"MILL_ADDRESS": "a:2"}, want: values{"b:3", "", time.Second}},
		{name: "an empty variable is none", env: map[string]string{"MILL_ADDRESS": ""}, want: values{"127.0.0.1:1", "", time.Second}},
		{name: "a secret on the command line", args: []string{"--env-MILL_TOKEN", "x"}, err: "set the variable MILL_TOKEN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v values
			root := program(&v)
			root.SilenceErrors, root.SilenceUsage = true, true
			root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
				return Resolve(cmd, func(name string) (string, bool) { value, ok := tt.env[name]; return value, ok })
			}
			root.SetArgs(append([]string{"run"}, tt.args...))
			err := root.ExecuteContext(t.Context())
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || v != tt.want {
				t.Errorf("%+v, %v; want %+v", v, err, tt.want)
			}
		})
	}
}

func TestReference(t *testing.T) {
	var page strings.Builder
	if err := Reference(&page, program(new(values))); err != nil {
		t.Fatal(err)
	}
	want := "# mill\n\nGrinds.\n\n## mill run\n\nRun the mill.\n\n    mill run [flags]\n\n" +
		"| flag | variable | default | |\n|---|---|---|---|\n" +
		"| `--address` string | `MILL_ADDRESS` | `127.0.0.1:1` | host\\|port to grind at |\n" +
		"|  | `MILL_TOKEN` (secret) |  | the key to the door |\n" +
		"| `-p`, `--patience` duration |  | `1s` | how long to wait |\n"
	if page.String() != want {
		t.Error(cmp.Diff(want, page.String()))
	}
}
