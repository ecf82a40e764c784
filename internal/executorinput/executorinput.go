// Package executorinput reads KFP's ExecutorInput, the JSON that stands in for
// the placeholder {{$}} in a container's arguments: what the container was
// given and where its declared outputs go. The shape is KFP's proto
// ml_pipelines.ExecutorInput (api/v2alpha1/pipeline_spec.proto); a captured
// document is in the tests. It comes from outside and is parsed defensively.
package executorinput

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strings"
)

// MaxBytes bounds the document; the kernel caps one argument at 128 KiB.
const MaxBytes = 1 << 20

// ErrInvalid is wrapped by every error of this package; the message names the
// field.
var ErrInvalid = errors.New("invalid ExecutorInput")

// Input is what the launcher needs of the document.
type Input struct {
	// Run is the KFP run's uuid.
	Run string
	// Worker is the iteration's index; 0 in a pool of one.
	Worker int
	// Status is KFP's view of the flow's end; set for the exit hook alone.
	Status *Status
	// Parameters holds the flow's parameters as KFP gave them (STRING root
	// inputs), without the launcher's own inputs. A null is left out.
	Parameters map[string]string
	// Exact is the millrace_parameters input, "" when absent.
	Exact string
	// Resume is the millrace_resume input; nil unless the run goes on from
	// another.
	Resume *Resume
	// Outputs maps each declared output parameter to its file.
	Outputs map[string]string
}

// Status is a PipelineTaskFinalStatus.
type Status struct {
	// State is COMPLETE or FAILED.
	State string `json:"state"`
	Error struct {
		Message string `json:"message"`
	} `json:"error"`
}

type document struct {
	Inputs struct {
		ParameterValues map[string]json.RawMessage `json:"parameterValues"`
	} `json:"inputs"`
	Outputs struct {
		Parameters map[string]struct {
			OutputFile string `json:"outputFile"`
		} `json:"parameters"`
	} `json:"outputs"`
}

// The launcher's own inputs; every other one is a parameter of the flow, so
// their names are never a Metaflow parameter's (the compiler refuses it).
const (
	runInput     = "millrace_run"
	workerInput  = "millrace_worker"
	workersInput = "millrace_workers"
	statusInput  = "millrace_status"
	exactInput   = "millrace_parameters"
	resumeInput  = "millrace_resume"
)

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// Parse reads the document.
func Parse(text string) (*Input, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrInvalid, len(text), MaxBytes)
	}
	var doc document
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	in := &Input{Parameters: map[string]string{}, Outputs: map[string]string{}}
	for name, raw := range doc.Inputs.ParameterValues {
		if err := in.take(name, raw); err != nil {
			return nil, fmt.Errorf("%w: inputs.parameterValues.%s: %w", ErrInvalid, name, err)
		}
	}
	if in.Run == "" {
		return nil, fmt.Errorf("%w: inputs.parameterValues.%s: missing", ErrInvalid, runInput)
	}
	for name, out := range doc.Outputs.Parameters {
		if !filepath.IsAbs(out.OutputFile) || strings.ContainsRune(out.OutputFile, 0) {
			return nil, fmt.Errorf("%w: outputs.parameters.%s.outputFile: want an absolute path, got %q", ErrInvalid, name, out.OutputFile)
		}
		in.Outputs[name] = out.OutputFile
	}
	return in, nil
}

func (in *Input) take(name string, raw json.RawMessage) error {
	switch name {
	case runInput:
		if err := json.Unmarshal(raw, &in.Run); err != nil {
			return err
		}
		if !uuid.MatchString(in.Run) {
			return fmt.Errorf("want the KFP run's uuid, got %.60q", in.Run)
		}
	case workerInput:
		var n float64
		if err := json.Unmarshal(raw, &n); err != nil {
			return err
		}
		if n != math.Trunc(n) || n < 0 || n > math.MaxInt32 {
			return fmt.Errorf("want a whole number, got %.40s", raw)
		}
		in.Worker = int(n)
	case statusInput:
		in.Status = &Status{}
		return unmarshalStatus(raw, in.Status)
	case exactInput:
		return json.Unmarshal(raw, &in.Exact)
	case resumeInput:
		var err error
		in.Resume, err = unmarshalResume(raw)
		return err
	case workersInput: // the whole list; this worker's own index is what counts
	default:
		if string(raw) == "null" {
			return nil
		}
		value, err := asText(raw)
		if err != nil {
			return err
		}
		if value == DefaultMark {
			return nil
		}
		in.Parameters[name] = value
	}
	return nil
}

// unmarshalStatus takes the status as an object, or as the JSON text of one.
func unmarshalStatus(raw json.RawMessage, into *Status) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	return json.Unmarshal(raw, into)
}

// asText is a STRING as it is, anything else as its JSON text.
func asText(raw json.RawMessage) (string, error) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", err
	}
	return compact.String(), nil
}
