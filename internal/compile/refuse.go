package compile

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
)

// UnsupportedError names what a flow asks for and this build, or KFP, cannot
// do.
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

// refuse names the first thing of the flow that cannot be deployed yet.
func refuse(d *flowdef.Definition, places []flowdef.Placement) error {
	for i := range d.Steps {
		s := &d.Steps[i]
		no := func(feature, hint string) error {
			return &UnsupportedError{Step: s.Name, Feature: feature, Hint: hint}
		}
		switch s.Type {
		case flowdef.SplitStatic:
			return no("a split into branches ("+strings.Join(s.Next, ", ")+")", "run the branches one after the other, or as a foreach")
		case flowdef.SplitSwitch:
			for _, next := range s.Next {
				if next == s.Name {
					return no("recursion", "use a loop inside the step")
				}
			}
			return no("a switch (on "+s.Condition+")", "decide inside the steps")
		case flowdef.SplitParallel:
			return no("num_parallel (a gang of tasks)", "use a foreach when the tasks need not talk to each other")
		case flowdef.SplitForeach:
			if len(places[i].Frames) > 0 {
				return no("a foreach inside a foreach", "make one list of all pairs and use one foreach")
			}
		case flowdef.Start, flowdef.Linear, flowdef.Join, flowdef.End:
		}
		if s.Parallel {
			return no("@parallel", "use a foreach when the tasks need not talk to each other")
		}
	}
	return nil
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
