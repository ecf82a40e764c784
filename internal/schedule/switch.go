package schedule

import "fmt"

// route follows a switch to the step it chose. A loop that chose itself makes
// its next iteration at the same place.
func (r *Run) route(t ref, next []string) error {
	n := t.node()
	chosen := n.exit(next)
	if chosen < 0 {
		return fmt.Errorf("the switch %s goes on to %q", n.name, clip(fmt.Sprint(next)))
	}
	t.g.choice = setAt(t.g.choice, t.i, int16(chosen), t.g.width)
	if n.next[chosen] == n {
		return r.iterate(n, t.place())
	}
	r.steps[n.index].routed[chosen]++
	return r.arrive(t, n.next[chosen])
}

// exit is the one step that a switch's transition names, by index into its
// next steps; -1 when it does not name one of them.
func (n *node) exit(next []string) int {
	if len(next) != 1 {
		return -1
	}
	for i, to := range n.next {
		if to.name == next[0] {
			return i
		}
	}
	return -1
}

// iterate makes the next iteration of a loop at a place, the first included.
func (r *Run) iterate(n *node, place string) error {
	g := r.group(n, place, 0)
	if g.width >= maxWidth {
		return fmt.Errorf("the loop %s has run %d times at %s", n.name, g.width, place)
	}
	g.state = append(g.state, absent)
	g.width++
	r.ready(ref{g, g.width - 1})
	return nil
}

// checkChoice returns why a switch's transition cannot be followed. Metaflow
// raises in the task when the condition's value names no case, so this is for
// a report of another flow than the deployed one, and for a loop without end.
func (r *Run) checkChoice(t ref, next []string) string {
	n := t.node()
	chosen := n.exit(next)
	if chosen < 0 {
		return fmt.Sprintf("the task went on to %q, the switch of step %s goes on to one of %q: deploy the flow again",
			clip(fmt.Sprint(next)), n.name, names(n.next))
	}
	if limit := r.definition.MaxSplits; n.next[chosen] == n && t.i+1 >= limit {
		return fmt.Sprintf("step %s has looped %d times at one place, as often as max-splits %d allows: each iteration is a task of its own, with its "+
			"artifacts in the store and three records in the driver, so far %d; let the loop end, let each iteration do more, or raise max-splits",
			n.name, t.i+1, limit, 3*(t.i+1))
	}
	return ""
}
