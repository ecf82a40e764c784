package launcher

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
)

// parameterOptions turns the run's exact values into options of `init`. The
// form --name=value carries every text as it is: empty, with newlines, with a
// dash in front. None is the one value that no option can give; leaving the
// option out gives it, since only a parameter without a default, or with None
// as one, holds it.
func parameterOptions(declared []flowdef.Parameter, text string) ([]string, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, fmt.Errorf("want a JSON object: %w", err)
	}
	var out []string
	for _, p := range declared {
		raw, given := values[p.Name]
		if !given || string(raw) == "null" {
			continue
		}
		value, err := optionText(p.Type, raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		if strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("%s: holds a NUL, which no command line can carry", p.Name)
		}
		out = append(out, "--"+p.Name+"="+value)
	}
	return out, nil
}

// optionText is a JSON value as the command line of Metaflow reads it.
func optionText(kind string, raw json.RawMessage) (string, error) {
	switch kind {
	case "str":
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", fmt.Errorf("want a string, got %.60s", raw)
		}
		return s, nil
	case "bool":
		var b bool
		if err := json.Unmarshal(raw, &b); err != nil {
			return "", fmt.Errorf("want true or false, got %.60s", raw)
		}
		if b {
			return "True", nil
		}
		return "False", nil
	default: // int, float, json: the JSON text is what Python reads
		return string(raw), nil
	}
}
