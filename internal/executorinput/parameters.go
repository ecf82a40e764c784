package executorinput

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
)

// ParametersJSON returns the run's parameters as one JSON object {name: exact
// value}, every declared parameter in it. The exact values that `trigger`
// sends win, because KFP's and Kubernetes' expansions change raw strings; a
// run started from KFP's page has the raw strings alone; what neither gives
// has the default resolved at deploy time.
func (in *Input) ParametersJSON(declared []flowdef.Parameter) (string, error) {
	exact, err := in.exact()
	if err != nil {
		return "", fmt.Errorf("%w: inputs.parameterValues.%s: %w", ErrInvalid, exactInput, err)
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for i, p := range declared {
		value, err := in.value(p, exact)
		if err != nil {
			return "", fmt.Errorf("%w: inputs.parameterValues.%s: %w", ErrInvalid, p.Name, err)
		}
		delete(exact, p.Name)
		if i > 0 {
			out.WriteByte(',')
		}
		name, _ := json.Marshal(p.Name) // strings always marshal
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	for name := range exact {
		return "", fmt.Errorf("%w: %s: the flow has no parameter %q", ErrInvalid, exactInput, name)
	}
	return out.String(), nil
}

func (in *Input) exact() (map[string]json.RawMessage, error) {
	if in.Exact == "" {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(in.Exact, "="))
	if err != nil {
		return nil, fmt.Errorf("want base64url: %w", err)
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("want a JSON object: %w", err)
	}
	return values, nil
}

func (in *Input) value(p flowdef.Parameter, exact map[string]json.RawMessage) (json.RawMessage, error) {
	if v, ok := exact[p.Name]; ok {
		return v, nil
	}
	if raw, ok := in.Parameters[p.Name]; ok {
		return FromText(p.Type, raw)
	}
	if p.Default != nil {
		return p.Default, nil
	}
	// A resumed run has the parameters of the run it resumes.
	if p.Required && in.Resume == nil {
		return nil, errors.New("the parameter is required and was not given")
	}
	return json.RawMessage("null"), nil
}

// FromText turns the text of a KFP input into the exact JSON value of a
// parameter of that type, as Metaflow's command line would read it.
func FromText(kind, raw string) (json.RawMessage, error) {
	switch kind {
	case "int":
		if _, err := strconv.ParseInt(strings.TrimSpace(raw), 10, 64); err != nil {
			return nil, fmt.Errorf("want an int, got %.60q", raw)
		}
		return json.RawMessage(strings.TrimSpace(raw)), nil
	case "float":
		f, err := strconv.ParseFloat(strings.TrimSpace(raw), 64)
		if err != nil {
			return nil, fmt.Errorf("want a float, got %.60q", raw)
		}
		if text, err := json.Marshal(f); err == nil {
			return text, nil
		}
		return nil, fmt.Errorf("want a finite float, got %.60q", raw)
	case "bool":
		switch strings.ToLower(strings.TrimSpace(raw)) {
		case "true", "t", "1", "yes", "y", "on":
			return json.RawMessage("true"), nil
		case "false", "f", "0", "no", "n", "off":
			return json.RawMessage("false"), nil
		}
		return nil, fmt.Errorf("want a bool, got %.60q", raw)
	case "json":
		if !json.Valid([]byte(raw)) {
			return nil, fmt.Errorf("want JSON, got %.60q", raw)
		}
		return json.RawMessage(raw), nil
	default:
		return json.Marshal(raw)
	}
}
