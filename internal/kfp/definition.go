package kfp

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Definition says where the flow's definition is that a version was compiled
// from.
type Definition struct {
	URL    string
	SHA256 string
}

// Definition reads it out of a version's spec, from the arguments that every
// container of ours has.
func (v *Version) Definition() (Definition, error) {
	type pipeline struct {
		Deployment struct {
			Executors map[string]struct {
				Container struct {
					Args []string `json:"args"`
				} `json:"container"`
			} `json:"executors"`
		} `json:"deploymentSpec"`
	}
	var both struct {
		pipeline
		Inner *pipeline `json:"pipeline_spec"`
	}
	if err := json.Unmarshal(v.Spec, &both); err != nil {
		return Definition{}, fmt.Errorf("read the containers of version %q: %w", v.Title(), err)
	}
	spec := &both.pipeline
	if both.Inner != nil {
		spec = both.Inner
	}
	for _, executor := range spec.Deployment.Executors {
		found := Definition{argument(executor.Container.Args, "--definition"), argument(executor.Container.Args, "--definition-sha256")}
		if found.URL != "" && found.SHA256 != "" {
			return found, nil
		}
	}
	return Definition{}, fmt.Errorf("version %q: %w", v.Title(), errNotOurs)
}

var errNotOurs = errors.New("no container of it names a flow's definition: it was not deployed by kubeflow-pipelines create")

func argument(args []string, name string) string {
	for i := 1; i < len(args); i++ {
		if args[i-1] == name {
			return args[i]
		}
	}
	return ""
}
