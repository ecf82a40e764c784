package schedule

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/flowdef"
)

// graph is the flow as the core needs it. Node 0 is `_parameters`, a task like
// any other: first of the start step's pool.
type graph struct {
	nodes  []*node
	byName map[string]*node
	pools  []*poolDef
	byPool map[string]*poolDef
	end    *node
}

// poolDef is a pool: one or more steps of the same pod shape.
type poolDef struct {
	index int
	name  string
	nodes []*node
	// gang: its tasks are members of gangs.
	gang bool
}

// handOn is what a successful task of a step brings about.
type handOn int

const (
	handsNothing handOn = iota // the end step
	handsLinear
	handsStatic
	handsForeach
	handsSwitch
	handsGang
)

// node is one step.
type node struct {
	index int
	name  string
	pool  *poolDef
	hands handOn
	// next are the steps that may follow, each once; a loop is among its own.
	next []*node
	in   []*node
	// loops: the step is a switch that may choose itself; the iterations at one
	// place are tasks of one group.
	loops bool
	// depth is the number of foreach frames around the step, fan the split of
	// the innermost one (nil at depth 0): it says how many places there are.
	depth int
	fan   *node
	// bodyStart: the step is the first of a foreach body, its tasks get a
	// split index.
	bodyStart bool
	// joins is the split that the step joins, nil when it takes one input.
	joins *node
	// twin stands for this split where fan and joins name one, and in Run.fans;
	// the split itself but where several share their next steps.
	twin *node
	// sources decide the step's number of tasks, none when it has exactly one;
	// the last is the decider. steers are the steps whose decider this one is,
	// in the flow's order.
	sources []source
	steers  []*node
	// gated: the step's dependants hang on a gate, not on its pool.
	gated bool
	retry flowdef.Retry
	// gang: its tasks are the members of a gang.
	gang bool
	// parameters marks node 0.
	parameters bool
}

// compile reads the graph out of a valid definition. One pool per step; the
// rest of the core does not rely on that.
func compile(d *flowdef.Definition) (*graph, error) {
	places, err := d.Frames()
	if err != nil {
		return nil, err
	}
	g := &graph{byName: map[string]*node{}, byPool: map[string]*poolDef{}}
	first := &node{name: flowdef.ParametersStep, hands: handsLinear, parameters: true}
	g.add(first)
	for i := range d.Steps {
		g.add(&node{name: d.Steps[i].Name, retry: d.Steps[i].Retry})
	}
	for i := range d.Steps {
		n, s, place := g.nodes[i+1], &d.Steps[i], places[i]
		if n.hands, err = handsOf(s); err != nil {
			return nil, fmt.Errorf("flowdef: steps[%d].type: %w", i, err)
		}
		for _, name := range s.Next {
			if next := g.byName[name]; !slices.Contains(n.next, next) {
				n.next = append(n.next, next)
			}
			n.loops = n.loops || name == s.Name
		}
		for _, parent := range place.Parents {
			n.in = append(n.in, g.nodes[parent+1])
		}
		if place.Joins >= 0 {
			n.joins = g.nodes[place.Joins+1]
		}
		if place.Twin >= 0 {
			n.twin = g.nodes[place.Twin+1]
		}
		if n.loops && n.joins != nil {
			return nil, fmt.Errorf("flowdef: steps[%d].next: step %q joins and leads to itself, which no Metaflow flow can", i, s.Name)
		}
		for _, f := range place.Frames {
			switch split := g.nodes[f.Split+1]; split.hands {
			case handsForeach:
				n.depth++
				n.fan = split
			case handsGang:
				n.gang = true
				n.fan = split
			case handsNothing, handsLinear, handsStatic, handsSwitch:
			}
		}
		if n.fan != nil {
			n.bodyStart = n.joins == nil && n.in[0].twin == n.fan
		}
		pool := &poolDef{index: len(g.pools), name: s.Name, nodes: []*node{n}, gang: n.gang}
		n.pool = pool
		g.pools = append(g.pools, pool)
		g.byPool[pool.name] = pool
		if s.Name == d.EndStep {
			g.end = n
		}
	}
	g.steer(d, places)
	start := g.nodes[1]
	start.in = []*node{first}
	first.next = []*node{start}
	first.pool = start.pool
	start.pool.nodes = append([]*node{first}, start.pool.nodes...)
	return g, nil
}

func (g *graph) add(n *node) {
	n.index = len(g.nodes)
	g.nodes = append(g.nodes, n)
	g.byName[n.name] = n
}

func handsOf(s *flowdef.Step) (handOn, error) {
	switch s.Type {
	case flowdef.SplitForeach:
		return handsForeach, nil
	case flowdef.SplitStatic:
		return handsStatic, nil
	case flowdef.Start, flowdef.Linear, flowdef.Join, flowdef.End:
		if len(s.Next) == 0 {
			return handsNothing, nil
		}
		return handsLinear, nil
	case flowdef.SplitSwitch:
		return handsSwitch, nil
	case flowdef.SplitParallel:
		return handsGang, nil
	default:
		return 0, fmt.Errorf("%q is unknown", s.Type)
	}
}

// joinsForeach tells a join of splits, or of a gang's members, from a join of
// branches.
func (n *node) joinsForeach() bool {
	return n.joins != nil && (n.joins.hands == handsForeach || n.joins.hands == handsGang)
}
