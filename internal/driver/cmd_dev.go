package driver

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/dev"
	"github.com/millrace/millrace/internal/dev/home"
	"github.com/millrace/millrace/internal/dev/pod"
	"github.com/millrace/millrace/internal/setting"
)

// newDevCommand is the laptop stack: Kubeflow Pipelines, the driver and a
// metadata service in one process.
func newDevCommand(e *Env) *cobra.Command {
	var c dev.Config
	var policy policyOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run the whole stack on this machine: KFP API, driver, metadata service",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			c.Stdout, c.Stderr, c.Environ = e.Stdout, e.Stderr, os.Environ()
			c.Serve.MaxSplits, c.Serve.LongPoll = 100_000, 5*time.Second
			if c.Serve.Policy, err = policy.policy(); err != nil {
				return err
			}
			return dev.Run(cmd.Context(), c)
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.Home, "home", "", "state directory of the stack")
	setting.Env(flags, "home", "MILLRACE_HOME")

	own := cmd.Flags()
	own.StringSliceVar(&c.Roles, "roles", []string{dev.RoleKFP, dev.RoleMetadata, dev.RoleDriver}, "what this process serves")
	own.StringVar(&c.Driver, "driver", "", "host:port of an external driver serve, when the role driver is not served here")
	own.StringVar(&c.DriverHTTP, "driver-http", "", "URL of that driver's HTTP port")
	own.IntVar(&c.Slots, "slots", runtime.NumCPU(), "pods that run at once; the rest stay Pending (default: one per core)")
	own.Lookup("slots").DefValue = "" // the reference page is the same on every machine
	setting.Env(own, "slots", "MILLRACE_SLOTS")
	own.StringVar(&c.Vanish, "vanish", "remake", "what becomes of a vanished pod: remake or error")
	datastoreFlags(own, &c.Datastore)
	own.StringVar(&c.LauncherDir, "launcher-dir", "", "folder with the launcher binaries to serve (default: beside this program)")
	setting.Env(own, "launcher-dir", "MILLRACE_LAUNCHER_DIR")
	keepLaunchers(own, &c.Serve.KeepLaunchers)
	own.StringVar(&c.Python, "python", "", "interpreter of all pods (default: the one that deployed the flow)")
	setting.Env(own, "python", "MILLRACE_PYTHON")
	own.BoolVar(&c.PodProxy, "pod-proxy", false, "give each pod its own way to the driver, so that a pod can be cut off (for tests)")
	policy.declare(own)

	cmd.AddCommand(newDevEnvCommand(e, &c), newPodSuperviseCommand(e))
	return cmd
}

func newDevEnvCommand(e *Env, c *dev.Config) *cobra.Command {
	var options dev.EnvOptions
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the variables that point Metaflow at the stack, for eval",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := dev.Env(cmd.Context(), c.Home, options)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(e.Stdout, text)
			return err
		},
	}
	cmd.Flags().BoolVar(&options.Wait, "wait", false, "wait until the stack is ready")
	cmd.Flags().DurationVar(&options.Timeout, "wait-timeout", time.Minute, "how long --wait waits")
	return cmd
}

// newPodSuperviseCommand is what a pod of the stack runs under; it outlives
// the stack, so that a restart finds its pods again.
func newPodSuperviseCommand(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:    "pod-supervise",
		Short:  "Run one pod of the stack (started by driver dev)",
		Args:   cobra.NoArgs,
		Hidden: true,
		Run: func(*cobra.Command, []string) {
			os.Exit(pod.Supervise(e.Stdin))
		},
	}
}

func datastoreFlags(flags *pflag.FlagSet, d *home.Datastore) {
	flags.StringVar(&d.S3Root, "s3-root", "", "keep artifacts below this s3:// root instead of HOME/datastore")
	flags.StringVar(&d.S3Endpoint, "s3-endpoint", "", "S3 endpoint URL, for another store than AWS")
	flags.StringVar(&d.GSRoot, "gs-root", "", "keep artifacts below this gs:// root instead of HOME/datastore")
	flags.StringVar(&d.GSEndpoint, "gs-endpoint", "", "URL of an emulator of Google Cloud Storage")
	flags.StringVar(&d.AzureRoot, "azure-root", "", "keep artifacts below this container/prefix of Azure Blob Storage instead of HOME/datastore")
	flags.StringVar(&d.AzureEndpoint, "azure-endpoint", "", "URL of the storage account's blobs")
}
