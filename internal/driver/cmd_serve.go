package driver

import (
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/driver/launchers"
	"github.com/millrace/millrace/internal/driver/serve"
	"github.com/millrace/millrace/internal/setting"
)

// serveOptions are all of serve.Config.
type serveOptions struct {
	config    serve.Config
	policy    policyOptions
	tokenFile string
	kfp       kfpOptions
}

// newServeCommand is the driver of a namespace.
func newServeCommand(e *Env) *cobra.Command {
	var options serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the driver: give tasks to launchers and record what becomes of them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := options.complete()
			if err != nil {
				return err
			}
			cfg.Logger = slog.New(slog.NewTextHandler(e.Stderr, nil))
			server, err := serve.Start(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return server.Wait()
		},
	}
	options.declare(cmd)
	return cmd
}

func (o *serveOptions) declare(cmd *cobra.Command) {
	flags, c := cmd.Flags(), &o.config
	text := func(to *string, name, variable, value, usage string) {
		flags.StringVar(to, name, value, usage)
		setting.Env(flags, name, variable)
	}
	text(&c.Listen, "listen", "MILLRACE_LISTEN", "127.0.0.1:7400", "address of the gRPC port; off loopback TLS is required")
	text(&c.HTTPListen, "http-listen", "MILLRACE_HTTP_LISTEN", "127.0.0.1:7401", "address of the HTTP port: /livez, /readyz, /metrics, /launcher/")
	text(&c.Store, "store", "MILLRACE_STORE", "", "path of the SQLite file that holds the runs; made when it is not there")
	setting.Secret(flags, &c.Token, "MILLRACE_TOKEN", "the token that launchers and people must bring")
	text(&o.tokenFile, "token-file", "MILLRACE_TOKEN_FILE", "", "file with the token")
	text(&c.TLSCert, "tls-cert", "MILLRACE_TLS_CERT", "", "PEM file with the certificate of both ports; read again when it changes")
	text(&c.TLSKey, "tls-key", "MILLRACE_TLS_KEY", "", "PEM file with its key")
	text(&c.LauncherDir, "launcher-dir", "MILLRACE_LAUNCHER_DIR", "", "folder with the launcher binaries that pods fetch (default: beside this program)")
	keepLaunchers(flags, &c.KeepLaunchers)
	flags.Int64Var(&c.MaxSplits, "max-splits", 100_000, "bound of the width of one foreach, for every flow")
	setting.Env(flags, "max-splits", "MILLRACE_MAX_SPLITS")
	flags.DurationVar(&c.LongPoll, "long-poll", 5*time.Second, "how long a launcher with nothing to do is held before it asks again")
	setting.Env(flags, "long-poll", "MILLRACE_LONG_POLL")
	setting.Secret(flags, &c.ServiceHeaders, "METAFLOW_SERVICE_HEADERS", "headers for Metaflow's metadata service, a JSON object")
	o.policy.declare(flags)
	o.kfp.declare(flags)
	flags.DurationVar(&c.AskEvery, "kfp-every", 30*time.Second, "how often Kubeflow Pipelines is asked whether an open run was terminated there; without --kfp-url never")
	setting.Env(flags, "kfp-every", "MILLRACE_KFP_EVERY")
}

// complete checks the flags and reads what they point at.
func (o *serveOptions) complete() (c serve.Config, err error) {
	c = o.config
	switch {
	case c.Store == "":
		return c, errors.New("--store is missing: the path of the file that holds the runs")
	case c.MaxSplits < 1:
		return c, errors.New("--max-splits is not positive")
	case c.LongPoll < 0 || c.LongPoll > 20*time.Second:
		// Launchers give up on a call after 30 s.
		return c, errors.New("--long-poll is not between 0 and 20s")
	}
	if c.Policy, err = o.policy.policy(); err != nil {
		return c, err
	}
	if c.Token, err = readToken(c.Token, o.tokenFile); err != nil {
		return c, err
	}
	if o.kfp.url != "" {
		if c.Ended, err = o.kfp.ended(); err != nil {
			return c, err
		}
	}
	if c.LauncherDir == "" {
		c.LauncherDir, err = launchers.Beside()
	}
	return c, err
}
