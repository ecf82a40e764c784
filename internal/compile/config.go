package compile

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Mode says how the launcher gets into a step's container.
type Mode string

// The modes.
const (
	// Fetch downloads the launcher from the driver with the image's own
	// python; any image that has one works unchanged.
	Fetch Mode = "fetch"
	// Baked expects `launcher` on the image's PATH.
	Baked Mode = "baked"
	// Init would copy it from an init container; KFP 2.17 cannot carry that.
	Init Mode = "init"
)

// Config is what the deployment adds to the flow.
type Config struct {
	// DefinitionURL is where launchers read the FlowDefinition,
	// DefinitionSHA256 the digest of its exact bytes, in hex.
	DefinitionURL    string
	DefinitionSHA256 string

	Launcher Mode
	// FetchURL is the base URL of the driver's HTTP port as pods reach it,
	// Pins the SHA-256 of the launcher by architecture (amd64, arm64). Both
	// are for Fetch only.
	FetchURL string
	Pins     map[string]string

	// Driver is the driver's host:port as pods reach it.
	Driver string
	// Image is for steps that name none, and for gates, verify and finally
	// when the start step names none.
	Image string
	// Secrets are the keys of Kubernetes secrets that every pod gets as
	// variables; Environment are plain variables. Never put a secret there.
	Secrets     []SecretEnv
	Environment map[string]string

	Retry Retry
}

// Retry is the retryPolicy of every executor. The largest pause must be set
// and huge: KFP takes a missing one for zero and then never retries, and it
// counts from the start of the first attempt.
type Retry struct {
	Count    int
	Backoff  time.Duration
	Factor   float64
	MaxPause time.Duration
}

// DefaultRetry is the documented policy.
func DefaultRetry() Retry {
	return Retry{Count: 5, Backoff: 5 * time.Second, Factor: 1, MaxPause: 365 * 24 * time.Hour}
}

// ConfigError says which setting is wrong, and how.
type ConfigError struct {
	Setting string
	Problem string
}

// Error implements error.
func (e *ConfigError) Error() string { return "compile: " + e.Setting + ": " + e.Problem }

var (
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
	archName  = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)
)

// validate names the first setting that cannot work.
func (c *Config) validate() error {
	bad := func(setting, format string, args ...any) error {
		return &ConfigError{Setting: setting, Problem: fmt.Sprintf(format, args...)}
	}
	if c.DefinitionURL == "" {
		return bad("definition URL", "missing")
	}
	if !sha256Hex.MatchString(c.DefinitionSHA256) {
		return bad("definition digest", "want 64 hex digits, got %q", c.DefinitionSHA256)
	}
	if _, _, err := net.SplitHostPort(c.Driver); err != nil {
		return bad("driver", "want host:port as pods reach it, got %q; set --driver or MILLRACE_DRIVER", c.Driver)
	}
	switch c.Launcher {
	case Baked:
	case Fetch:
		if err := c.validateFetch(); err != nil {
			return err
		}
	case Init:
		return bad("launcher", "init needs a KFP server after 2.17; use fetch, or baked with the launcher in the image")
	default:
		return bad("launcher", "%q is none of fetch, baked", string(c.Launcher))
	}
	if c.Retry.Count < 0 || c.Retry.Count > 1000 {
		return bad("retry count", "is %d, must be from 0 to 1000", c.Retry.Count)
	}
	if c.Retry.Backoff < 0 || c.Retry.MaxPause < c.Retry.Backoff || c.Retry.Factor < 0 {
		return bad("retry backoff", "%s, factor %g, at most %s: must not be negative, and the largest not below the first", c.Retry.Backoff, c.Retry.Factor, c.Retry.MaxPause)
	}
	return c.validatePods()
}

func (c *Config) validateFetch() error {
	u, err := url.Parse(c.FetchURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return &ConfigError{"driver HTTP URL", fmt.Sprintf("want http(s)://host:port as pods reach it, got %q; set --driver-http or MILLRACE_DRIVER_HTTP", c.FetchURL)}
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return &ConfigError{"driver HTTP URL", fmt.Sprintf("%s: the token would travel in the open; off loopback only https", c.FetchURL)}
	}
	if len(c.Pins) == 0 {
		return &ConfigError{"launcher", "fetch pins the launcher's digest, and no launcher was found; set --launcher-dir, or use --launcher baked"}
	}
	for arch, pin := range c.Pins {
		if !archName.MatchString(arch) || !sha256Hex.MatchString(pin) {
			return &ConfigError{"launcher", fmt.Sprintf("pin %s=%s is not an architecture and 64 hex digits", arch, pin)}
		}
	}
	return nil
}

func (c *Config) validatePods() error {
	for name, value := range c.Environment {
		if !envName.MatchString(name) {
			return &ConfigError{"pod environment", fmt.Sprintf("%q is no name of a variable", name)}
		}
		if secretName(name) {
			return &ConfigError{"pod environment", name + " is a secret and would stand in the pipeline; give it by --pod-secrets"}
		}
		if !Literal(value) {
			return &ConfigError{"pod environment", fmt.Sprintf("the value of %s would be changed by Kubernetes or Argo on its way ($$, $(…) or {{)", name)}
		}
	}
	for _, s := range c.Secrets {
		if _, twice := c.Environment[s.Variable]; twice {
			return &ConfigError{"pod secrets", s.Variable + " is in the pod environment too"}
		}
	}
	for what, text := range map[string]string{
		"definition URL":  c.DefinitionURL,
		"driver":          c.Driver,
		"driver HTTP URL": c.FetchURL,
		"image":           c.Image,
	} {
		if !Literal(text) {
			return &ConfigError{what, fmt.Sprintf("%q would be changed by Kubernetes or Argo on its way ($$, $(…) or {{)", text)}
		}
	}
	return nil
}

// secretName catches the secrets people have at hand.
func secretName(variable string) bool {
	switch variable {
	case "MILLRACE_TOKEN", "METAFLOW_SERVICE_HEADERS", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_CLIENT_SECRET":
		return true
	}
	return false
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Literal says whether a text arrives in a container as it is. KFP resolves
// {{$...}}, Argo {{...}}, and Kubernetes expands $(NAME) and $$ twice, since
// the container is itself an argument of KFP's driver pod. KFP also expands
// its [[macros]] in a run's parameters.
func Literal(text string) bool {
	for _, s := range []string{"{{", "$$", "$(", "[[RunUUID", "[[ScheduledTime", "[[CurrentTime", "[[Index", "\x00"} {
		if strings.Contains(text, s) {
			return false
		}
	}
	return true
}
