package compile

import (
	"github.com/millrace/millrace/internal/flowdef"
)

// node is one step as KFP sees it.
type node struct {
	step *flowdef.Step
	// wide: the number of tasks is known only at run time; the step is a
	// pool with a gate.
	wide bool
	// fan is the foreach that decides the width, nil when not wide.
	fan *node
	// parents lead here; the step's task depends on what ends them.
	parents []*node
	// steers are the steps whose width this one decides.
	steers []*node
	// first: the step's executor gets the flow's parameters.
	first bool
}

// shape derives widths from the graph. It is not limited to what refuse lets
// through: foreaches may nest, branches may run side by side.
func shape(d *flowdef.Definition, places []flowdef.Placement) []*node {
	nodes := make([]*node, len(d.Steps))
	for i := range d.Steps {
		nodes[i] = &node{step: &d.Steps[i], first: i == 0}
	}
	for i, place := range places {
		n := nodes[i]
		for _, parent := range place.Parents {
			n.parents = append(n.parents, nodes[parent])
		}
		for _, f := range place.Frames {
			if t := d.Steps[f.Split].Type; t == flowdef.SplitForeach || t == flowdef.SplitParallel {
				n.fan = nodes[f.Split]
			}
		}
		if n.fan != nil {
			n.wide = true
			n.fan.steers = append(n.fan.steers, n)
		}
	}
	return nodes
}

// end is the task that says the step is done, and that knows the lists the
// step decides.
func (n *node) end() string {
	if n.wide {
		return gateTask(n.step.Name)
	}
	return stepTask(n.step.Name)
}

// lists are the output definitions of that task.
func (n *node) lists() *definitions {
	if len(n.steers) == 0 {
		return nil
	}
	out := map[string]parameter{}
	for _, s := range n.steers {
		out[listOutput(s.step.Name)] = parameter{ParameterType: "LIST"}
	}
	return &definitions{out}
}
