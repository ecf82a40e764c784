package driver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/compile"
	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/kfp"
)

// Every input of a run travels in one argument of KFP's pods, which the
// kernel caps at 128 KiB; other things are in it too.
const (
	maxExact = 64 << 10
	maxShown = 16 << 10
	maxText  = 2 << 10
)

// elsewhere stands in for a text that KFP, Argo or Kubernetes would change or
// that is too long; the exact value wins over it.
const elsewhere = "(in millrace_parameters)"

// values are the exact JSON values of parameters that a run is given.
type values map[string]json.RawMessage

// readValues reads a JSON object; a name that is there twice is refused.
func readValues(raw []byte) (values, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	first, err := dec.Token()
	if err != nil || first != json.Delim('{') {
		return nil, errors.New("want a JSON object {name: value}")
	}
	out := values{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("want a JSON object: %w", err)
		}
		name, _ := token.(string) // a key is a string
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("value of %q: %w", name, err)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%q is there twice", name)
		}
		out[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("want a JSON object: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the JSON object")
	}
	return out, nil
}

// inputs are the root inputs of the run: a text for people for each
// parameter, and all exact values in one input that nothing on the way
// changes.
func (v values) inputs(pipeline string, declared map[string]kfp.Input) (map[string]json.RawMessage, error) {
	if err := v.check(pipeline, declared); err != nil {
		return nil, err
	}
	out := map[string]json.RawMessage{}
	if _, ours := declared[executorinput.ExactInput]; !ours {
		return v.plain(declared)
	}
	if len(v) == 0 {
		return out, nil
	}
	exact, err := v.exact()
	if err != nil {
		return nil, err
	}
	out[executorinput.ExactInput] = exact
	room := maxShown
	for _, name := range slices.Sorted(maps.Keys(v)) {
		text, ok := shown(v[name])
		if !ok || len(text) > min(maxText, room) {
			text = elsewhere
		}
		room -= len(text)
		out[name] = quote(text)
	}
	return out, nil
}

// check wants every value declared and every required one given.
func (v values) check(pipeline string, declared map[string]kfp.Input) error {
	var names []string
	for name := range declared {
		if !strings.HasPrefix(name, "millrace_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !slices.Contains(names, name) {
			has := "has no parameters"
			if len(names) > 0 {
				has = "has " + strings.Join(names, ", ")
			}
			return fmt.Errorf("pipeline %q has no parameter %q; it %s", pipeline, name, has)
		}
	}
	var missing []string
	for _, name := range names {
		if _, given := v[name]; !given && declared[name].Required() {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("pipeline %q needs a value for %s", pipeline, strings.Join(missing, ", "))
	}
	return nil
}

// exact is base64url of the JSON object: letters that no expansion touches.
func (v values) exact() (json.RawMessage, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the parameters: %w", err)
	}
	encoded := base64.RawURLEncoding.EncodeToString(bytes.TrimSpace(text.Bytes()))
	if len(encoded) > maxExact {
		return nil, fmt.Errorf("the parameters take %d KiB, and Kubeflow Pipelines carries at most %d: put large values into the store and hand over their URL", len(encoded)>>10, maxExact>>10)
	}
	return quote(encoded), nil
}

// plain are the inputs of a pipeline that is not ours.
func (v values) plain(declared map[string]kfp.Input) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	for name, value := range v {
		if declared[name].Type == "STRING" && !bytes.HasPrefix(value, []byte(`"`)) {
			value = quote(string(value))
		}
		out[name] = value
	}
	return out, nil
}

// shown is a value as text for KFP's pages.
func shown(value json.RawMessage) (string, bool) {
	text := string(value)
	var s string
	if json.Unmarshal(value, &s) == nil && text != "null" {
		text = s
	}
	return text, compile.Literal(text)
}

func quote(s string) json.RawMessage {
	raw, _ := json.Marshal(s) // strings always marshal
	return raw
}
