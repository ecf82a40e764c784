package schedule

// inputs returns a task's input paths: the tasks that led to it, in the flow's
// order. A foreach join gets ranges in index order, so that its grant is as
// small for a million splits as for three.
func (r *Run) inputs(t ref) Inputs {
	n, place := t.node(), t.place()
	switch {
	case n.parameters:
		return Inputs{}
	case n.loops && t.i > 0:
		return Inputs{List: []TaskID{ref{t.g, t.i - 1}.taskID()}, Count: 1}
	case n.joins != nil && n.joins.hands == handsGang:
		return r.membersInto(n, place)
	case n.joinsForeach():
		return r.rangesInto(n, place)
	case n.bodyStart:
		place = outer(place)
	}
	var list []TaskID
	for _, parent := range n.in {
		if from, ok := r.latest(parent, place); ok && from.ledTo(n) {
			list = append(list, from.taskID())
		}
	}
	return Inputs{List: list, Count: int64(len(list))}
}

// ledTo tells whether a task has succeeded and gone on to a step.
func (t ref) ledTo(n *node) bool {
	from := t.node()
	return t.state() == succeeded && (from.hands != handsSwitch || from.next[t.g.choice[t.i]] == n)
}

// rangesInto finds, for every split, the step in which it ended: with switches
// in the body there may be several, some of which a split never reaches. Equal
// neighbours are one range.
func (r *Run) rangesInto(n *node, place string) Inputs {
	width := r.fans[groupKey{n.joins.index, place}]
	in := Inputs{Count: width}
	leaves := make([]*group, len(n.in))
	for j, leaf := range n.in {
		leaves[j] = r.groups[groupKey{leaf.index, place}]
	}
	for i := range width {
		for j, leaf := range n.in {
			t := ref{leaves[j], i}
			if leaf.loops {
				t, _ = r.latest(leaf, inside(place, i))
			}
			if t.g == nil || !t.ledTo(n) {
				continue
			}
			suffix := t.suffix()
			if last := len(in.Ranges) - 1; last >= 0 && in.Ranges[last].Last == i-1 && in.Ranges[last].Step == leaf.name && in.Ranges[last].Suffix == suffix {
				in.Ranges[last].Last = i
			} else {
				in.Ranges = append(in.Ranges, LeafRange{First: i, Last: i, Step: leaf.name, Prefix: place, Suffix: suffix})
			}
			break
		}
	}
	return in
}

// membersInto lists a gang's members by rank; they are few.
func (r *Run) membersInto(n *node, place string) Inputs {
	width := r.fans[groupKey{n.joins.index, place}]
	in := Inputs{Count: width}
	for rank := range width {
		in.List = append(in.List, TaskID{Step: n.in[0].name, Task: memberID(place, rank)})
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
		return Transition{Next: names(n.next), NumSplits: r.fans[groupKey{n.index, t.place()}]}
	case handsGang:
		return Transition{Next: names(n.next), GangSize: r.fans[groupKey{n.index, t.place()}]}
	case handsNothing, handsLinear, handsStatic:
	}
	return Transition{Next: names(n.next)}
}
