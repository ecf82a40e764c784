package schedule

// inputs returns a task's input paths. A join of branches gets its inputs in
// the flow's order; a foreach join gets ranges in index order, so that its
// grant is as small for a million splits as for three.
func (r *Run) inputs(t ref) Inputs {
	n, place := t.node(), t.place()
	switch {
	case n.parameters:
		return Inputs{}
	case n.joinsForeach():
		return r.rangesInto(n, place)
	case n.joins != nil:
		var list []TaskID
		for _, parent := range n.in {
			list = append(list, TaskID{Step: parent.name, Task: place})
		}
		return Inputs{List: list, Count: int64(len(list))}
	}
	from := n.in[0]
	id := TaskID{Step: from.name, Task: place}
	switch {
	case from.parameters:
		id.Task = parametersID
	case n.bodyStart:
		id.Task = t.g.parent
	}
	return Inputs{List: []TaskID{id}, Count: 1}
}

// rangesInto finds, for every split, the step in which it ended. Without
// switches there is one such step; several are runs of equal leaves.
func (r *Run) rangesInto(n *node, place string) Inputs {
	width := r.fans[groupKey{n.joins.index, place}]
	in := Inputs{Count: width}
	if len(n.in) == 1 {
		in.Ranges = []LeafRange{{First: 0, Last: width - 1, Step: n.in[0].name, Prefix: place}}
		return in
	}
	for i := range width {
		for _, leaf := range n.in {
			g := r.groups[groupKey{leaf.index, place}]
			if g == nil || g.state[i] != succeeded {
				continue
			}
			if last := len(in.Ranges) - 1; last >= 0 && in.Ranges[last].Step == leaf.name && in.Ranges[last].Last == i-1 {
				in.Ranges[last].Last = i
			} else {
				in.Ranges = append(in.Ranges, LeafRange{First: i, Last: i, Step: leaf.name, Prefix: place})
			}
			break
		}
	}
	return in
}

// transitionOf rebuilds what a successful task decided from what it brought
// about; a done split keeps no transition of its own.
func (r *Run) transitionOf(t ref) Transition {
	n := t.node()
	return Transition{Next: names(n.next), NumSplits: r.fans[groupKey{n.index, t.place()}]}
}
