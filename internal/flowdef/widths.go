package flowdef

import "slices"

// Source is a decision that a step's number of tasks depends on: the fan-out
// of a foreach or of a gang, or one target of a switch.
type Source struct {
	// Step decides, by index into Steps.
	Step int
	// Target is the chosen step of a switch, by index; -1 for a fan-out.
	Target int
}

// Width is what decides how many tasks a step has: the sum over its sources.
// It has none when the step has exactly one task.
type Width struct {
	// Sources are in the order of the steps that decide.
	Sources []Source
}

// Fixed tells whether the step has exactly one task, whatever happens.
func (w Width) Fixed() bool { return len(w.Sources) == 0 }

// Decider is the step whose end, together with that of the other sources, says
// the number of tasks: the last source in topological order; -1 when the width
// is fixed. No source comes after it, so waiting for all of them at its end
// cannot wait in a circle.
func (w Width) Decider() int {
	if w.Fixed() {
		return -1
	}
	return w.Sources[len(w.Sources)-1].Step
}

// Branched tells whether a switch is among the sources: the step may have no
// task at all.
func (w Width) Branched() bool {
	return slices.ContainsFunc(w.Sources, func(s Source) bool { return s.Target >= 0 })
}

// Widths derives every step's width from its place, in the order of Steps. The
// tasks of a switch's targets add up to those of the switch, so a step that
// all branches lead to is as wide as the switch; a self-loop is not a target:
// its iterations are tasks of one place.
func (d *Definition) Widths(places []Placement) []Width {
	index := make(map[string]int, len(d.Steps))
	for i, s := range d.Steps {
		index[s.Name] = i
	}
	exits := make([][]int, len(d.Steps))
	for i, s := range d.Steps {
		for _, next := range s.Next {
			if to := index[next]; to != i && !slices.Contains(exits[i], to) {
				exits[i] = append(exits[i], to)
			}
		}
	}
	widths := make([]Width, len(d.Steps))
	for i, place := range places {
		var sources []Source
		if place.Joins >= 0 { // as wide as the split, with those it stands for
			for split := range i {
				if places[split].Twin == place.Joins {
					sources = append(sources, widths[split].Sources...)
				}
			}
			widths[i] = Width{merge(sources, widths, exits)}
			continue
		}
		for _, parent := range place.Parents {
			switch t := d.Steps[parent].Type; {
			case t.FansOut():
				sources = append(sources, Source{Step: parent, Target: -1})
			case t == SplitSwitch && len(exits[parent]) > 1:
				sources = append(sources, Source{Step: parent, Target: i})
			default:
				sources = append(sources, widths[parent].Sources...)
			}
		}
		widths[i] = Width{merge(sources, widths, exits)}
	}
	return widths
}

// Gated tells for every step whether a gate says that it is done, rather than
// its pool: inside a foreach or a gang, where a worker that still waits for
// a node must delay nobody, and where the step decides the width of others,
// since KFP takes no list out of a pool. A step of a fixed width needs none.
func (d *Definition) Gated(places []Placement, widths []Width) []bool {
	decides := make([]bool, len(widths))
	for _, w := range widths {
		if !w.Fixed() {
			decides[w.Decider()] = true
		}
	}
	gated := make([]bool, len(widths))
	for i, w := range widths {
		fanned := slices.ContainsFunc(places[i].Frames, func(f Frame) bool { return d.Steps[f.Split].Type.FansOut() })
		gated[i] = !w.Fixed() && (fanned || decides[i])
	}
	return gated
}

// FansOut tells whether any number of tasks follow a task of that type.
func (t StepType) FansOut() bool { return t == SplitForeach || t == SplitParallel }

// merge sorts sources and puts a switch in the place of all its targets, from
// the last switch to the first: what it stands for may complete an earlier one.
func merge(sources []Source, widths []Width, exits [][]int) []Source {
	order := func(a, b Source) int {
		if a.Step != b.Step {
			return a.Step - b.Step
		}
		return a.Target - b.Target
	}
	for step := len(exits) - 1; step >= 0; step-- {
		mine := 0
		for _, s := range sources {
			if s.Step == step && s.Target >= 0 {
				mine++
			}
		}
		if mine < 2 || mine < len(exits[step]) {
			continue
		}
		sources = slices.DeleteFunc(sources, func(s Source) bool { return s.Step == step && s.Target >= 0 })
		sources = append(sources, widths[step].Sources...)
	}
	slices.SortFunc(sources, order)
	return slices.Compact(sources)
}
