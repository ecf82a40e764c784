package schedule

import "iter"

// inputs returns a task's input paths. A foreach join gets ranges in index
// order, so that its grant is as small for a million splits as for three; a
// gang's members are few, its join gets them by rank.
func (r *Run) inputs(t ref) Inputs {
	if n := t.node(); n.joinsForeach() && n.joins.hands != handsGang {
		return r.rangesInto(t)
	}
	var list []TaskID
	for from := range r.before(t) {
		list = append(list, from.taskID())
	}
	return Inputs{List: list, Count: int64(len(list))}
}

// before yields the tasks that led to a task, in the order of its inputs: the
// flow's, of a foreach join that of the splits.
func (r *Run) before(t ref) iter.Seq[ref] {
	n, place := t.node(), t.place()
	return func(yield func(ref) bool) {
		switch {
		case n.parameters:
			return
		case n.loops && t.i > 0:
			yield(ref{t.g, t.i - 1})
			return
		case n.joinsForeach():
			r.leaves(n, place, yield)
			return
		case n.bodyStart:
			place = outer(place)
		}
		for _, parent := range n.in {
			if from, ok := r.latest(parent, place); ok && from.ledTo(n) && !yield(from) {
				return
			}
		}
	}
}

// ledTo tells whether a task has succeeded and gone on to a step.
func (t ref) ledTo(n *node) bool {
	from := t.node()
	return t.state() == succeeded && (from.hands != handsSwitch || from.next[t.g.choice[t.i]] == n)
}

// leaves yields, for every split in turn, the task in which it ended: with
// switches in the body there may be several such steps, some of which a split
// never reaches.
func (r *Run) leaves(n *node, place string, yield func(ref) bool) {
	leaves := make([]*group, len(n.in))
	for j, leaf := range n.in {
		leaves[j] = r.groups[groupKey{leaf.index, place}]
	}
	for i := range r.fans[groupKey{n.joins.index, place}] {
		for j, leaf := range n.in {
			t := ref{leaves[j], i}
			if leaf.loops {
				t, _ = r.latest(leaf, inside(place, i))
			}
			if t.g == nil || !t.ledTo(n) {
				continue
			}
			if !yield(t) {
				return
			}
			break
		}
	}
}

// rangesInto is the inputs of a foreach join: equal neighbours are one range.
func (r *Run) rangesInto(t ref) Inputs {
	var in Inputs
	place := t.place()
	for from := range r.before(t) {
		i, step, suffix := in.Count, from.node().name, from.suffix()
		in.Count++
		if last := len(in.Ranges) - 1; last >= 0 && in.Ranges[last].Step == step && in.Ranges[last].Suffix == suffix {
			in.Ranges[last].Last = i
			continue
		}
		in.Ranges = append(in.Ranges, LeafRange{First: i, Last: i, Step: step, Prefix: place, Suffix: suffix})
	}
	return in
}

// transitionOf rebuilds what a successful task decided from what it brought
// about; a done split keeps no transition of its own.
func (r *Run) transitionOf(t ref) Transition {
	n := t.node()
	switch n.hands {
	case handsSwitch:
		return Transition{Next: names(n.next[t.g.choice[t.i]:][:1])}
	case handsForeach:
		return Transition{Next: names(n.next), NumSplits: r.fans[groupKey{n.twin.index, t.place()}]}
	case handsGang:
		return Transition{Next: names(n.next), GangSize: r.fans[groupKey{n.twin.index, t.place()}]}
	case handsNothing, handsLinear, handsStatic:
	}
	return Transition{Next: names(n.next)}
}
