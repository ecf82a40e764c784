package compile

import (
	"fmt"
	"regexp"
	"strings"
)

// SecretEnv is one key of a Kubernetes secret as a variable of every pod.
type SecretEnv struct {
	Secret   string
	Key      string
	Variable string
}

var (
	kubeName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	kubeKey  = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)
)

const maxSecrets = 100

// ParseSecrets reads "secret/key=VARIABLE,...".
func ParseSecrets(text string) ([]SecretEnv, error) {
	var out []SecretEnv
	seen := map[string]bool{}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		source, variable, ok := strings.Cut(item, "=")
		secret, key, ok2 := strings.Cut(source, "/")
		switch {
		case !ok || !ok2:
			return nil, &ConfigError{"pod secrets", fmt.Sprintf("%q is not secret/key=VARIABLE", item)}
		case !kubeName.MatchString(secret):
			return nil, &ConfigError{"pod secrets", fmt.Sprintf("%q is no name of a Kubernetes secret", secret)}
		case !kubeKey.MatchString(key):
			return nil, &ConfigError{"pod secrets", fmt.Sprintf("%q is no key of a Kubernetes secret", key)}
		case !envName.MatchString(variable):
			return nil, &ConfigError{"pod secrets", fmt.Sprintf("%q is no name of a variable", variable)}
		case seen[variable]:
			return nil, &ConfigError{"pod secrets", variable + " is there twice"}
		}
		seen[variable] = true
		out = append(out, SecretEnv{Secret: secret, Key: key, Variable: variable})
	}
	if len(out) > maxSecrets {
		return nil, &ConfigError{"pod secrets", fmt.Sprintf("%d keys, more than %d", len(out), maxSecrets)}
	}
	return out, nil
}
