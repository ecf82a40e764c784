package driver

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/buildinfo"
	"github.com/millrace/millrace/internal/driver/serve"
	"github.com/millrace/millrace/internal/kfp"
	"github.com/millrace/millrace/internal/setting"
)

// kfpOptions say where Kubeflow Pipelines is.
type kfpOptions struct {
	url, tokenFile, cookie, namespace string
}

func (o *kfpOptions) declare(flags *pflag.FlagSet) {
	flags.StringVar(&o.url, "kfp-url", "", "URL of Kubeflow Pipelines")
	setting.Env(flags, "kfp-url", "METAFLOW_KUBEFLOW_PIPELINES_URL")
	flags.StringVar(&o.tokenFile, "kfp-token-file", "", "file with the bearer token for Kubeflow Pipelines (default: the one Kubeflow mounts in a pod)")
	setting.Env(flags, "kfp-token-file", "KF_PIPELINES_SA_TOKEN_PATH")
	flags.StringVar(&o.namespace, "kfp-namespace", "", "namespace of the profile, on a multi-user server")
	setting.Env(flags, "kfp-namespace", "METAFLOW_KUBEFLOW_PIPELINES_NAMESPACE")
	setting.Secret(flags, &o.cookie, "METAFLOW_KUBEFLOW_PIPELINES_COOKIE", "session cookie of Kubeflow's login page, where no token is taken")
}

func (o *kfpOptions) client() (*kfp.Client, error) {
	return kfp.New(kfp.Config{
		URL: o.url, TokenFile: o.tokenFile, Cookie: o.cookie, Namespace: o.namespace,
		Program: buildinfo.String("millrace-driver"),
	})
}

// ended asks how a run ended. A run that Kubeflow Pipelines does not know may
// be of another one: nothing follows from that.
func (o *kfpOptions) ended() (serve.EndedFunc, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, run string) (string, error) {
		found, err := client.Run(ctx, strings.TrimPrefix(run, runPrefix))
		switch {
		case errors.Is(err, kfp.ErrNotFound):
			return "", nil
		case err != nil:
			return "", err
		case !found.Ended():
			return "", nil
		}
		return found.State, nil
	}, nil
}
