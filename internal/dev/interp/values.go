package interp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// Values are parameters by name, each as its JSON.
type Values map[string]json.RawMessage

// Arguments checks a run's parameters against the pipeline's root and fills
// in the defaults, as KFP does when it creates a run.
func (p *Pipeline) Arguments(given Values) (Values, error) {
	declared := p.spec.Root.InputDefinitions.Parameters
	for _, name := range slices.Sorted(maps.Keys(given)) {
		def, ok := declared[name]
		if !ok {
			return nil, fmt.Errorf("the pipeline has no parameter %q", name)
		}
		if err := fits(def.ParameterType, given[name]); err != nil {
			return nil, fmt.Errorf("parameter %q: %w", name, err)
		}
	}
	out := Values{}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		def := declared[name]
		switch value, ok := given[name]; {
		case ok:
			// Kubernetes expands the driver pod's arguments, and these are in them.
			out[name] = expandJSON(value)
		case def.DefaultValue != nil:
			out[name] = def.DefaultValue
		case !def.IsOptional:
			return nil, fmt.Errorf("the pipeline's parameter %q is required and not given", name)
		}
	}
	return out, nil
}

// fits says whether the value is of KFP's type.
func fits(kind string, raw json.RawMessage) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	ok := false
	switch kind {
	case "STRING", "TASK_FINAL_STATUS":
		_, ok = v.(string)
	case "NUMBER_INTEGER":
		f, isNumber := v.(float64)
		ok = isNumber && f == math.Trunc(f)
	case "NUMBER_DOUBLE":
		_, ok = v.(float64)
	case "BOOLEAN":
		_, ok = v.(bool)
	case "LIST":
		_, ok = v.([]any)
	case "STRUCT":
		_, ok = v.(map[string]any)
	default:
		return fmt.Errorf("type %s is not modelled", kind)
	}
	if !ok {
		return fmt.Errorf("%.60s is no %s", raw, kind)
	}
	return nil
}

// parseOutput reads the file of a declared output. A STRING is taken with all
// its white space.
func parseOutput(kind string, raw []byte) (json.RawMessage, error) {
	if kind == "STRING" {
		return json.Marshal(string(raw))
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("%.60q is no %s: %w", raw, kind, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return out, fits(kind, out)
}

// text is a value as KFP puts it into a command line.
func text(raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	switch v := v.(type) {
	case string:
		return v
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<63 {
			return strconv.FormatInt(int64(v), 10)
		}
		return fmt.Sprintf("%g", v)
	default:
		out, _ := json.Marshal(v) // it came from JSON
		return string(out)
	}
}

// runFacts are what the constants of task inputs can name.
type runFacts struct {
	ID, Name, Workflow string
	Created            time.Time
}

func knownConstant(text string) bool {
	_, ok := runFacts{}.constant(text)
	return ok
}

// constant resolves a placeholder that is the whole of a constant.
func (f runFacts) constant(text string) (string, bool) {
	switch text {
	case "{{$.pipeline_job_uuid}}":
		return f.ID, true
	case "{{$.pipeline_job_name}}":
		return f.Name, true
	case "{{$.pipeline_job_resource_name}}":
		return f.Workflow, true
	case "{{$.pipeline_job_create_time_utc}}", "{{$.pipeline_job_schedule_time_utc}}":
		return f.Created.UTC().Format(time.RFC3339), true
	}
	return "", false
}
