package schedule

import "fmt"

// ready makes a task: it waits to be leased.
func (r *Run) ready(t ref) {
	r.setState(t, waiting)
	r.pools[t.node().pool.index].queue.put(t)
}

// handOnFrom does what a successful task brings about.
func (r *Run) handOnFrom(t ref, tr Transition) error {
	n := t.node()
	var err error
	switch n.hands {
	case handsNothing:
	case handsLinear, handsStatic:
		for _, next := range n.next {
			if err = r.arrive(t, next); err != nil {
				return err
			}
		}
	case handsForeach:
		err = r.fanOut(t, tr.NumSplits)
	case handsGang:
		err = r.formGroup(t, tr.GangSize)
	case handsSwitch:
		err = r.route(t, tr.Next)
	}
	if err != nil {
		return err
	}
	r.tryClose(n)
	return nil
}

// fanOut makes the splits of a foreach: one range, whatever its width. Only a
// loop has a group for each.
func (r *Run) fanOut(t ref, width int64) error {
	n, child, parent := t.node(), t.node().next[0], t.place()
	if width < 1 || width > maxWidth {
		return fmt.Errorf("foreach of %s has width %d", n.name, width)
	}
	r.fans[groupKey{n.twin.index, parent}] = width
	r.steps[n.index].fanned += width
	if child.loops {
		for i := range width {
			if err := r.iterate(child, inside(parent, i)); err != nil {
				return err
			}
		}
		return nil
	}
	g := r.group(child, parent, width)
	for i := range width {
		r.setState(ref{g, i}, waiting)
	}
	r.pools[child.pool.index].queue.putSpan(span{g, 0, width})
	return nil
}

// maxWidth bounds what a record may ask for; flowdef bounds max_splits alike.
const maxWidth = 1_000_000

// arrive brings a task's output to a next step, which becomes ready when it
// has all its inputs.
func (r *Run) arrive(from ref, next *node) error {
	place := from.place()
	if next.joinsForeach() {
		place = outer(place)
	}
	if next.loops {
		if r.groups[groupKey{next.index, place}] != nil {
			return fmt.Errorf("the loop %s was entered twice at %s", next.name, place)
		}
		return r.iterate(next, place)
	}
	parent, i, ok := splitPlace(next, place)
	if !ok {
		return fmt.Errorf("no place %q in step %s", place, next.name)
	}
	width := int64(1)
	if next.fan != nil {
		if width, ok = r.fans[groupKey{next.fan.index, parent}]; !ok || i >= width {
			return fmt.Errorf("no split %q of step %s", place, next.fan.name)
		}
	}
	t := ref{r.group(next, parent, width), i}
	if next.joins == nil {
		if t.state() != absent {
			return fmt.Errorf("task %s/%s was made twice", next.name, t.id())
		}
		r.ready(t)
		return nil
	}
	expected := int64(len(next.joins.next))
	if next.joinsForeach() {
		expected = r.fans[groupKey{next.joins.index, place}]
	}
	if t.g.arrived == nil {
		t.g.arrived = map[int64]int64{}
	}
	t.g.arrived[i]++
	if t.g.arrived[i] < expected {
		return nil
	}
	delete(t.g.arrived, i)
	if t.state() != absent {
		return fmt.Errorf("join %s/%s has more inputs than splits", next.name, t.id())
	}
	r.ready(t)
	return nil
}

// tryClose notes that no task of a step exists unfinished or can still
// appear, and looks at the steps after it.
func (r *Run) tryClose(n *node) {
	s := &r.steps[n.index]
	if s.closed || s.counts[succeeded] != s.made {
		return
	}
	for _, parent := range n.in {
		if !r.steps[parent.index].closed {
			return
		}
	}
	s.closed = true
	r.noteDue()
	for _, next := range n.next {
		r.tryClose(next)
	}
}

// complete tells whether the flow has run to its end.
func (r *Run) complete() bool { return r.steps[r.graph.end.index].closed }

// checkTransition returns why a transition cannot be followed, "" when it
// can. The task's DONE is written by then; no further attempt would mend it.
func (r *Run) checkTransition(t ref, tr Transition) string {
	n := t.node()
	if n.hands == handsSwitch {
		if why := r.checkChoice(t, tr.Next); why != "" {
			return why
		}
		tr.Next = names(n.next)
	}
	same := len(tr.Next) == len(n.next)
	for i := 0; same && i < len(tr.Next); i++ {
		same = tr.Next[i] == n.next[i].name
	}
	if !same && !n.parameters {
		return fmt.Sprintf("the task went on to %q, the deployed flow goes on to %q: deploy the flow again", clip(fmt.Sprint(tr.Next)), names(n.next))
	}
	if tr.GangSize != 0 && n.hands != handsGang {
		return fmt.Sprintf("the task asks for a gang of %d, but step %s has no num_parallel", tr.GangSize, n.name)
	}
	limit := r.definition.MaxSplits
	switch {
	case n.hands != handsForeach && tr.NumSplits != 0:
		return fmt.Sprintf("the task asks for %d splits, but step %s has no foreach", tr.NumSplits, n.name)
	case n.hands == handsGang:
		return r.checkGang(n, tr.GangSize)
	case n.hands != handsForeach:
		return ""
	case tr.NumSplits <= 0:
		return fmt.Sprintf("the foreach of step %s is over nothing (%d splits): give it at least one item", n.name, tr.NumSplits)
	case tr.NumSplits > limit:
		return tooWide(n.name, tr.NumSplits, limit)
	}
	return ""
}

// tooWide refuses a fan-out with the arithmetic of what it would cost:
// Metaflow's own join takes 17 KB and 0.8 ms per input (measured).
func tooWide(step string, width, limit int64) string {
	const (
		bytesPerInput  = 17_000.0
		millisPerInput = 0.8
	)
	return fmt.Sprintf("the foreach of step %s has %d splits, more than max-splits %d allows: Metaflow needs 17 KB and 0.8 ms per input "+
		"in the join, here %.1f GB and %.0f s, and every child unpickles the whole list; let each split do several items, or raise max-splits",
		step, width, limit, float64(width)*bytesPerInput/1e9, float64(width)*millisPerInput/1e3)
}

func names(nodes []*node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.name
	}
	return out
}
