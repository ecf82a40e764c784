package flowdef

import (
	"fmt"
	"slices"
	"strings"
)

// ParametersStep is Metaflow's name for the step of the run's parameters. It
// is no node of the graph.
const ParametersStep = "_parameters"

// Frame is an open split around a step: the step that split, and for a static
// split the branch (index into its Next).
type Frame struct {
	Split  int
	Branch int
}

// Placement is where a step stands in the graph, by index into Steps.
type Placement struct {
	// Frames are the splits around the step, outermost first; a join stands
	// outside the split it joins.
	Frames []Frame
	// Joins is the split that the step joins, -1 when it joins none.
	Joins int
	// Twin is the split that stands for this one in Frames and Joins; -1 for a
	// step that is no split. Splits of one type that a switch chooses among may
	// share all their next steps, and so their join: the first of them stands
	// for all. Every other split stands for itself.
	Twin int
	// Parents are the steps that lead here, in the document's order; a
	// self-loop is not among them.
	Parents []int
}

// Frames derives every step's place from Next and Join alone, and refuses a
// graph that Metaflow could not run: a step that nothing leads to, a loop, a
// split that is not joined, a join of branches that do not belong together.
func (d *Definition) Frames() ([]Placement, error) {
	index := make(map[string]int, len(d.Steps))
	for i, s := range d.Steps {
		if _, twice := index[s.Name]; twice {
			return nil, field("steps[%d].name", i)("%q is there twice", s.Name)
		}
		index[s.Name] = i
	}
	start, ok := index[d.StartStep]
	if !ok {
		return nil, field("start_step")("no step %q", d.StartStep)
	}
	if _, ok := index[d.EndStep]; !ok {
		return nil, field("end_step")("no step %q", d.EndStep)
	}
	if start != 0 {
		return nil, field("steps")("not in topological order: the start step %q comes after others", d.StartStep)
	}
	places := make([]Placement, len(d.Steps))
	arriving := make([][][]Frame, len(d.Steps))
	first := map[string]int{}
	for i := range d.Steps {
		if err := d.checkHandOn(i, index); err != nil {
			return nil, err
		}
		if err := d.enter(i, &places[i], arriving[i]); err != nil {
			return nil, err
		}
		places[i].Twin = d.twin(i, first)
		d.leave(i, places, arriving, index)
	}
	return places, d.checkNames(places, index)
}

// checkHandOn checks a step's type against its next steps.
func (d *Definition) checkHandOn(i int, index map[string]int) error {
	s := &d.Steps[i]
	seen := map[string]bool{}
	for j, next := range s.Next {
		to, ok := index[next]
		if !ok {
			return field("steps[%d].next[%d]", i, j)("no step %q", next)
		}
		if seen[next] && s.Type != SplitSwitch {
			return field("steps[%d].next[%d]", i, j)("%q is there twice", next)
		}
		seen[next] = true
		if to == i && s.Type == SplitSwitch && i != 0 {
			continue // recursion
		}
		if to <= i {
			return field("steps[%d].next[%d]", i, j)("%q leads back to %q, or the steps are not in topological order", s.Name, next)
		}
	}
	if (len(s.Next) == 0) != (s.Name == d.EndStep) {
		return field("steps[%d].next", i)("%q has %d next steps and the end step is %q", s.Name, len(s.Next), d.EndStep)
	}
	few, many := 1, 1
	switch s.Type {
	case Start, Linear, Join, End:
		if s.Name == d.EndStep {
			few, many = 0, 0
		} else if s.Type == End {
			return field("steps[%d].type", i)("is end, but the end step is %q", d.EndStep)
		}
	case SplitForeach, SplitParallel:
	case SplitStatic:
		few, many = 2, maxSteps
	case SplitSwitch:
		few, many = 1, maxSteps
	}
	if n := len(s.Next); n < few || n > many {
		return field("steps[%d].next", i)("%d next steps do not fit the type %s", n, s.Type)
	}
	if s.Type == Start && i != 0 {
		return field("steps[%d].type", i)("is start, but the start step is %q", d.StartStep)
	}
	if s.Type == Join && !s.Join {
		return field("steps[%d].join", i)("must be true for the type join")
	}
	for key, target := range s.SwitchCases {
		if !seen[target] {
			return field("steps[%d].switch_cases", i)("case %s leads to %q, which is not in next", clip(key), target)
		}
	}
	return nil
}

// enter takes the stacks of frames that arrive at a step and finds the one it
// stands in.
func (d *Definition) enter(i int, p *Placement, arriving [][]Frame) error {
	s := &d.Steps[i]
	p.Joins = -1
	if i == 0 {
		if s.Join {
			return field("steps[0].join")("the start step has no inputs")
		}
		return nil
	}
	if len(arriving) == 0 {
		return field("steps[%d].name", i)("nothing leads to step %q", s.Name)
	}
	first := arriving[0]
	if !s.Join {
		for _, other := range arriving[1:] {
			if !slices.Equal(first, other) {
				return field("steps[%d].join", i)("step %q joins branches but takes no inputs", s.Name)
			}
		}
		p.Frames = first
		return nil
	}
	if len(first) == 0 {
		return field("steps[%d].join", i)("step %q takes inputs, but there is no split to join", s.Name)
	}
	top := first[len(first)-1].Split
	branches := map[int]bool{}
	for _, other := range arriving {
		if len(other) != len(first) || !slices.Equal(other[:len(other)-1], first[:len(first)-1]) || other[len(other)-1].Split != top {
			return field("steps[%d].join", i)("step %q joins branches of different splits", s.Name)
		}
		branches[other[len(other)-1].Branch] = true
	}
	if split := &d.Steps[top]; split.Type == SplitStatic && len(branches) != len(split.Next) {
		return field("steps[%d].join", i)("step %q joins %d of the %d branches of %q", s.Name, len(branches), len(split.Next), split.Name)
	}
	if split := &d.Steps[top]; split.Type == SplitForeach && slices.Contains(p.Parents, top) {
		return field("steps[%d].next[0]", top)("the foreach of %q leads straight into the join %q", split.Name, s.Name)
	}
	p.Joins = top
	p.Frames = first[:len(first)-1]
	return nil
}

// leave hands the step's stack on to its next steps.
func (d *Definition) leave(i int, places []Placement, arriving [][][]Frame, index map[string]int) {
	s := &d.Steps[i]
	for _, next := range s.Next {
		to := index[next]
		if to == i || slices.Contains(places[to].Parents, i) {
			continue // recursion, or two cases of a switch with one target
		}
		stack := places[i].Frames
		if twin := places[i].Twin; twin >= 0 {
			frame := Frame{Split: twin}
			if s.Type == SplitStatic {
				frame.Branch = slices.Index(d.Steps[twin].Next, next)
			}
			stack = append(slices.Clone(stack), frame)
		}
		places[to].Parents = append(places[to].Parents, i)
		arriving[to] = append(arriving[to], stack)
	}
}

// twin is the first split of the step's type with the same next steps, in any
// order, or the step itself; -1 when it is no split. first remembers them.
func (d *Definition) twin(i int, first map[string]int) int {
	s := &d.Steps[i]
	switch s.Type {
	case SplitStatic, SplitForeach, SplitParallel:
	case Start, Linear, Join, End, SplitSwitch:
		return -1
	}
	key := string(s.Type) + "\x00" + strings.Join(slices.Sorted(slices.Values(s.Next)), "\x00")
	if twin, ok := first[key]; ok {
		return twin
	}
	first[key] = i
	return i
}

// checkNames checks what the document says about splits against the graph.
func (d *Definition) checkNames(places []Placement, index map[string]int) error {
	joins := make(map[int]string)
	for i, p := range places {
		if p.Joins >= 0 {
			joins[p.Joins] = d.Steps[i].Name
		}
	}
	for i := range d.Steps {
		s := &d.Steps[i]
		for j, parent := range s.SplitParents {
			if _, ok := index[parent]; !ok {
				return field("steps[%d].split_parents[%d]", i, j)("no step %q", parent)
			}
		}
		joined := ""
		if places[i].Twin >= 0 {
			joined = joins[places[i].Twin]
		}
		if s.MatchingJoin != "" && s.MatchingJoin != joined {
			return field("steps[%d].matching_join", i)("is %q, by the graph it is %q", s.MatchingJoin, joined)
		}
		if s.Name == d.EndStep && len(places[i].Frames) > 0 {
			open := d.Steps[places[i].Frames[len(places[i].Frames)-1].Split].Name
			return field("steps[%d].name", i)("the flow ends inside the split of %q", open)
		}
		if places[i].Twin >= 0 && joined == "" {
			return field("steps[%d].next", i)("the split of %q is never joined", s.Name)
		}
	}
	return nil
}

// field makes errors about a field: field("steps[%d]", i)("is %q", v).
func field(path string, args ...any) func(format string, args ...any) *FieldError {
	return func(format string, more ...any) *FieldError {
		return &FieldError{Field: fmt.Sprintf(path, args...), Problem: fmt.Sprintf(format, more...)}
	}
}
