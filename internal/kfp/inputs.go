package kfp

import (
	"encoding/json"
	"fmt"
)

// Input is one root input of an uploaded pipeline.
type Input struct {
	Type     string          `json:"parameterType"`
	Optional bool            `json:"isOptional"`
	Default  json.RawMessage `json:"defaultValue"`
}

// Required says whether a run must give it.
func (i Input) Required() bool { return !i.Optional && len(i.Default) == 0 }

// Inputs reads the root inputs out of a version's spec.
func (v *Version) Inputs() (map[string]Input, error) {
	type root struct {
		Root struct {
			InputDefinitions struct {
				Parameters map[string]Input `json:"parameters"`
			} `json:"inputDefinitions"`
		} `json:"root"`
	}
	var both struct {
		root
		Inner *root `json:"pipeline_spec"`
	}
	if err := json.Unmarshal(v.Spec, &both); err != nil {
		return nil, fmt.Errorf("read the inputs of version %q: %w", v.Title(), err)
	}
	if both.Inner != nil {
		return both.Inner.Root.InputDefinitions.Parameters, nil
	}
	return both.Root.InputDefinitions.Parameters, nil
}
