package schedule

import "github.com/millrace/millrace/internal/flowdef"

// source is a decision that a step's number of tasks depends on.
type source struct {
	node *node
	// exit is the next step that a switch must have chosen, by index; -1 for a
	// fan-out.
	exit int
}

// steer writes down who decides whose width. KFP gets a step's list of workers
// from the end of its decider, the last of the sources; so that end is held
// until every other source is closed too (Run.drained).
func (g *graph) steer(d *flowdef.Definition, places []flowdef.Placement) {
	widths := d.Widths(places)
	gated := d.Gated(places, widths)
	for i, w := range widths {
		n := g.nodes[i+1]
		n.gated = gated[i]
		for _, s := range w.Sources {
			from := source{node: g.nodes[s.Step+1], exit: -1}
			for j, next := range from.node.next {
				if s.Target >= 0 && next == g.nodes[s.Target+1] {
					from.exit = j
				}
			}
			n.sources = append(n.sources, from)
		}
		if decider := n.decider(); decider != nil {
			decider.steers = append(decider.steers, n)
		}
	}
}

// decider is the step whose end says how many workers this one gets, nil when
// it has one task whatever happens.
func (n *node) decider() *node {
	if len(n.sources) == 0 {
		return nil
	}
	return n.sources[len(n.sources)-1].node
}

func (p *poolDef) gated() bool {
	for _, n := range p.nodes {
		if n.gated {
			return true
		}
	}
	return false
}

// poolClosed: no task of the pool exists unfinished or can still appear.
func (r *Run) poolClosed(p *poolState) bool {
	for _, n := range p.def.nodes {
		if !r.steps[n.index].closed {
			return false
		}
	}
	return true
}

// drained: the pool is closed, and the lists it is answered with are final:
// every source of every step it decides is closed.
func (r *Run) drained(p *poolState) bool {
	if !r.poolClosed(p) {
		return false
	}
	for _, n := range p.def.nodes {
		for _, target := range n.steers {
			for _, s := range target.sources {
				if !r.steps[s.node.index].closed {
					return false
				}
			}
		}
	}
	return true
}

// lists are the worker lists of every step whose width the pool's steps
// decide. Meaningful once the pool is drained.
func (r *Run) lists(p *poolState) []WorkerList {
	var out []WorkerList
	for _, n := range p.def.nodes {
		for _, target := range n.steers {
			out = append(out, WorkerList{Step: target.name, Workers: r.width(target)})
		}
	}
	return out
}

// width is the number of workers a step gets: W = min(tasks, max-workers),
// where a loop counts once for all its iterations. While a source still runs
// it is what is known so far.
func (r *Run) width(n *node) int {
	if len(n.sources) == 0 {
		return 1
	}
	if n.gang {
		var gangs, largest int64
		for _, s := range n.sources {
			from := &r.steps[s.node.index]
			gangs, largest = gangs+from.gangs, max(largest, from.largest)
		}
		return int(gangWorkers(gangs, largest, int64(r.definition.MaxWorkers)))
	}
	var tasks int64
	for _, s := range n.sources {
		tasks += r.counted(s)
	}
	return int(min(tasks, int64(r.definition.MaxWorkers)))
}

// counted is what a source has brought so far.
func (r *Run) counted(s source) int64 {
	from := &r.steps[s.node.index]
	if s.exit < 0 {
		return from.fanned
	}
	return from.routed[s.exit]
}

// noteDue looks which pools KFP starts now: the ends of their parents are
// there, and that of the decider with their list.
func (r *Run) noteDue() {
	for _, p := range r.pools {
		if !p.due && r.startable(p) {
			p.due, p.dueSince = true, r.now
		}
	}
}

func (r *Run) startable(p *poolState) bool {
	ended := func(n *node) bool { return n.pool == p.def || r.drained(r.pools[n.pool.index]) }
	for _, n := range p.def.nodes {
		for _, parent := range n.in {
			if !ended(parent) {
				return false
			}
		}
		if d := n.decider(); d != nil && !ended(d) {
			return false
		}
	}
	return true
}
