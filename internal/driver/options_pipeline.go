package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/compile"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/setting"
)

// pipelineOptions are what compile and deploy share: the flow, and what the
// deployment adds to it.
type pipelineOptions struct {
	definition, definitionURL string

	launcher, launcherDir, driver, driverHTTP string
	image, secrets                            string
	environment                               []string
	retry                                     compile.Retry
}

func (o *pipelineOptions) declare(flags *pflag.FlagSet) {
	flags.StringVar(&o.definition, "definition", "", "file of the FlowDefinition; - is standard input")
	flags.StringVar(&o.definitionURL, "definition-url", "", "where launchers read the same bytes from")

	flags.StringVar(&o.launcher, "launcher", string(compile.Fetch), "how the launcher gets into a container: fetch (downloaded from the driver by the image's python) or baked (in the image)")
	setting.Env(flags, "launcher", "MILLRACE_LAUNCHER")
	flags.StringVar(&o.launcherDir, "launcher-dir", "", "folder of the launchers whose digests fetch pins (default: beside this program)")
	setting.Env(flags, "launcher-dir", "MILLRACE_LAUNCHER_DIR")
	flags.StringVar(&o.driver, "driver", "", "host:port of the driver, as pods reach it")
	setting.Env(flags, "driver", "MILLRACE_DRIVER")
	flags.StringVar(&o.driverHTTP, "driver-http", "", "URL of the driver's HTTP port, as pods reach it; for fetch")
	setting.Env(flags, "driver-http", "MILLRACE_DRIVER_HTTP")

	flags.StringVar(&o.image, "image", "", "image of steps that name none (default: python of the version that deployed)")
	setting.Env(flags, "image", "METAFLOW_KUBERNETES_CONTAINER_IMAGE")
	flags.StringVar(&o.secrets, "pod-secrets", "millrace/token=MILLRACE_TOKEN", "keys of Kubernetes secrets that pods get as variables: secret/key=VARIABLE,...")
	setting.Env(flags, "pod-secrets", "MILLRACE_POD_SECRETS")
	flags.StringSliceVar(&o.environment, "pod-env", nil, "variables of every pod: NAME=VALUE,...; never a secret, they stand in the pipeline")
	setting.Env(flags, "pod-env", "MILLRACE_POD_ENV")

	o.retry = compile.DefaultRetry()
	flags.IntVar(&o.retry.Count, "pod-retries", o.retry.Count, "how often KFP restarts a failed pod")
	setting.Env(flags, "pod-retries", "MILLRACE_POD_RETRIES")
	flags.DurationVar(&o.retry.Backoff, "pod-retry-backoff", o.retry.Backoff, "pause before such a restart")
	setting.Env(flags, "pod-retry-backoff", "MILLRACE_POD_RETRY_BACKOFF")
	flags.Float64Var(&o.retry.Factor, "pod-retry-factor", o.retry.Factor, "by which the pause grows with each restart")
	setting.Env(flags, "pod-retry-factor", "MILLRACE_POD_RETRY_FACTOR")
	flags.DurationVar(&o.retry.MaxPause, "pod-retry-window", o.retry.MaxPause, "no restart later than this after a pod's first start")
	setting.Env(flags, "pod-retry-window", "MILLRACE_POD_RETRY_WINDOW")
}

// compiled is a flow ready to deploy.
type compiled struct {
	flow     *flowdef.Definition
	document []byte
}

// compile reads the definition and makes the pipeline.
func (o *pipelineOptions) compile(stdin io.Reader) (*compiled, error) {
	raw, err := readFile(o.definition, "--definition", stdin)
	if err != nil {
		return nil, err
	}
	def, err := flowdef.Decode(raw)
	if err != nil {
		return nil, err
	}
	cfg, err := o.config(raw)
	if err != nil {
		return nil, err
	}
	pipeline, err := compile.Compile(def, cfg)
	if err != nil {
		return nil, err
	}
	document, err := pipeline.Bytes()
	if err != nil {
		return nil, err
	}
	return &compiled{flow: def, document: document}, nil
}

func (o *pipelineOptions) config(definition []byte) (compile.Config, error) {
	sum := sha256.Sum256(definition)
	cfg := compile.Config{
		DefinitionURL: o.definitionURL, DefinitionSHA256: hex.EncodeToString(sum[:]),
		Launcher: compile.Mode(o.launcher), FetchURL: o.driverHTTP, Driver: o.driver, Image: o.image,
		Environment: map[string]string{}, Retry: o.retry,
	}
	var err error
	if cfg.Secrets, err = compile.ParseSecrets(o.secrets); err != nil {
		return cfg, err
	}
	for _, item := range o.environment {
		name, value, ok := strings.Cut(item, "=")
		if !ok {
			return cfg, fmt.Errorf("--pod-env: %q is not NAME=VALUE", item)
		}
		cfg.Environment[name] = value
	}
	if cfg.Launcher == compile.Fetch {
		cfg.Pins, err = launcherPins(o.launcherDir, o.driverHTTP)
	}
	return cfg, err
}

// readFile reads a file that a flag names, or standard input for "-".
func readFile(path, flag string, stdin io.Reader) ([]byte, error) {
	var raw []byte
	var err error
	switch path {
	case "":
		return nil, errors.New(flag + " is missing")
	case "-":
		raw, err = io.ReadAll(io.LimitReader(stdin, flowdef.MaxBytes+1))
	default:
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return raw, nil
}
