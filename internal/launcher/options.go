package launcher

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/buildinfo"
	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/setting"
)

// options are those of every command: the run, the driver and this pod.
type options struct {
	definitionURL, definitionSHA256 string
	executorInput                   string

	driver, token, tokenFile, driverCA string

	podName, podUID, podIP string
	retryIndex             int
}

func (o *options) declare(flags *pflag.FlagSet) {
	flags.StringVar(&o.definitionURL, "definition", "", "URL of the flow's definition")
	flags.StringVar(&o.definitionSHA256, "definition-sha256", "", "SHA-256 of the definition, in hex")
	flags.StringVar(&o.executorInput, "executor-input", "", "KFP's ExecutorInput document, {{$}} in the pipeline")

	flags.StringVar(&o.driver, "driver", "", "host:port of the driver")
	setting.Env(flags, "driver", "MILLRACE_DRIVER")
	setting.Secret(flags, &o.token, "MILLRACE_TOKEN", "the driver's token")
	flags.StringVar(&o.tokenFile, "token-file", "", "file with the driver's token")
	setting.Env(flags, "token-file", "MILLRACE_TOKEN_FILE")
	flags.StringVar(&o.driverCA, "driver-ca", "", "authority that signed the driver's certificate: a path, or PEM text (default: the system's)")
	setting.Env(flags, "driver-ca", "MILLRACE_DRIVER_CA")

	flags.StringVar(&o.podName, "pod-name", "", "name of this pod")
	setting.Env(flags, "pod-name", "KFP_POD_NAME")
	flags.StringVar(&o.podUID, "pod-uid", "", "uid of this pod")
	setting.Env(flags, "pod-uid", "KFP_POD_UID")
	flags.IntVar(&o.retryIndex, "retry-index", 0, "how often KFP has started this worker before")
	setting.Env(flags, "retry-index", "KFP_RETRY_INDEX")
}

var hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (o *options) validate() error {
	switch {
	case o.definitionURL == "":
		return errors.New("--definition: missing; the compiled pipeline gives it")
	case !hexSHA256.MatchString(o.definitionSHA256):
		return fmt.Errorf("--definition-sha256: want 64 hex digits, got %.80q", o.definitionSHA256)
	case o.executorInput == "":
		return errors.New("--executor-input: missing; the compiled pipeline gives {{$}}")
	case o.retryIndex < 0:
		return fmt.Errorf("--retry-index (KFP_RETRY_INDEX): want 0 or more, got %d", o.retryIndex)
	}
	return nil
}

// dial makes a client; it does not wait for the driver to answer.
func (o *options) dial() (*driverclient.Client, error) {
	token := o.token
	if token == "" && o.tokenFile != "" {
		raw, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the driver's token (MILLRACE_TOKEN_FILE): %w", err)
		}
		token = strings.TrimSpace(string(raw))
	}
	return driverclient.Dial(driverclient.Config{
		Address: o.driver, Token: token, CA: o.driverCA, Program: buildinfo.String("launcher"),
	})
}

// start is what each command does first: read what KFP gave, and say who runs
// here in the first line of the pod's log.
func (o *options) start(env *Env, verb, step string) (*executorinput.Input, *slog.Logger, error) {
	if err := o.validate(); err != nil {
		return nil, nil, err
	}
	in, err := executorinput.Parse(o.executorInput)
	if err != nil {
		return nil, nil, fmt.Errorf("--executor-input: %w", err)
	}
	line := fmt.Sprintf("%s: %s run=%s", buildinfo.String("launcher"), verb, runID(in))
	if step != "" {
		line += fmt.Sprintf(" step=%s worker=%d", step, in.Worker)
	}
	fmt.Fprintf(env.Stdout, "%s pod=%s retry=%d\n", line, o.podName, o.retryIndex)
	logger := slog.New(slog.NewTextHandler(env.Stderr, nil)).With("run", runID(in))
	if step != "" {
		logger = logger.With("step", step)
	}
	return in, logger, nil
}

// runID is Metaflow's id of the KFP run.
func runID(in *executorinput.Input) string { return "kfp-" + in.Run }

// newIncarnation names this process: a random uuid.
func newIncarnation() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
