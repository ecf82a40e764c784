package compile

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
)

// UnsupportedError names what a flow asks for and this build, or KFP, cannot
// do: no graph is among it.
type UnsupportedError struct {
	// Step is empty when the flow as a whole is meant.
	Step    string
	Feature string
	// Hint is what to try.
	Hint string
}

// Error implements error.
func (e *UnsupportedError) Error() string {
	msg := "not supported: " + e.Feature
	if e.Step != "" {
		msg = fmt.Sprintf("step %q: %s", e.Step, msg)
	}
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg
}

// refuseAttributes names the decorator attributes KFP has no field for.
func refuseAttributes(s *flowdef.Step) error {
	if len(s.Resources.Unsupported) == 0 {
		return nil
	}
	return &UnsupportedError{
		Step:    s.Name,
		Feature: "Kubeflow Pipelines cannot carry " + strings.Join(s.Resources.Unsupported, ", ") + " of the step's decorators",
		Hint:    "remove the attribute, or have the cluster's administrator set it for all pods",
	}
}
