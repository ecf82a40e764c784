package compile

import (
	"slices"

	"github.com/millrace/millrace/internal/flowdef"
)

// node is one step as KFP sees it.
type node struct {
	step *flowdef.Step
	// decider is the step at whose end the number of tasks is known; nil when
	// there is always one. A step that has a decider is a pool.
	decider *node
	// gated: the step's end is that of a gate beside its pool.
	gated bool
	// gang: the step's tasks talk to each other.
	gang bool
	// parents lead here; the step's task depends on what ends them.
	parents []*node
	// decides are the steps whose decider this one is.
	decides []*node
	// first: the step's executor gets the flow's parameters.
	first bool
}

// shape derives from the graph which steps are pools, and where their lists
// come from. It knows every graph that Metaflow runs.
func shape(d *flowdef.Definition, places []flowdef.Placement) []*node {
	nodes := make([]*node, len(d.Steps))
	for i := range d.Steps {
		nodes[i] = &node{step: &d.Steps[i], first: i == 0, gang: d.Steps[i].Parallel}
	}
	widths := d.Widths(places)
	gated := d.Gated(places, widths)
	for i, n := range nodes {
		n.gated = gated[i]
		for _, parent := range places[i].Parents {
			n.parents = append(n.parents, nodes[parent])
			n.gang = n.gang || d.Steps[parent].Type == flowdef.SplitParallel
		}
		if !widths[i].Fixed() {
			n.decider = nodes[widths[i].Decider()]
			n.decider.decides = append(n.decider.decides, n)
		}
	}
	return nodes
}

// pool tells a step of any number of tasks from one that always has one.
func (n *node) pool() bool { return n.decider != nil }

// end is the task that says the step is done, and that knows the lists the
// step decides.
func (n *node) end() string {
	if n.gated {
		return gateTask(n.step.Name)
	}
	return stepTask(n.step.Name)
}

// dependsOn names the tasks that end the step's parents, and the one its list
// comes from: that may be a step further up, or another switch. A pool and its
// gate depend on the same.
func (n *node) dependsOn() []string {
	var out []string
	for _, p := range n.parents {
		out = append(out, p.end())
	}
	if n.pool() && !slices.Contains(out, n.decider.end()) {
		out = append(out, n.decider.end())
	}
	return out
}

// lists are the output definitions of the task that ends the step.
func (n *node) lists() *definitions {
	if len(n.decides) == 0 {
		return nil
	}
	out := map[string]parameter{}
	for _, s := range n.decides {
		out[listOutput(s.step.Name)] = parameter{ParameterType: "LIST"}
	}
	return &definitions{out}
}
