package flowgen

import (
	"slices"
	"strings"
)

// Kind says how a step hands on.
type Kind string

// The kinds of steps. A loop is a switch one of whose cases is the step itself.
const (
	Linear  Kind = "linear"
	Split   Kind = "split"
	Foreach Kind = "foreach"
	Switch  Kind = "switch"
	Gang    Kind = "gang" // fans out with num_parallel
)

// Flow is a random flow.
type Flow struct {
	// Salt is what the decisions depend on besides the place.
	Salt string
	// Name is the class; Start and End are the first and the last step.
	Name, Start, End string
	// Steps are in topological order.
	Steps []Step
}

// Step is one step of a flow.
type Step struct {
	Name string
	Kind Kind
	// Join: takes inputs. Member: decorated with @parallel.
	Join, Member bool
	// Next has one entry per case of a switch, as Metaflow's out_funcs.
	Next []string
	// Keys are the cases of a switch in the order of Next, as Python literals.
	Keys []string
	// Least and Most bound the number of splits, the size of the gang or the
	// turns of the loop.
	Least, Most int
	// Retries is @retry's times, Fails the most attempts of one task that fail.
	Retries, Fails int
	// Catch: decorated with @catch.
	Catch bool
}

// Loops tells whether the step is a switch that may choose itself.
func (s *Step) Loops() bool { return s.Kind == Switch && slices.Contains(s.Next, s.Name) }

// exits are the distinct steps a step leads to, without itself.
func (s *Step) exits() []string {
	var out []string
	for _, next := range s.Next {
		if next != s.Name && !slices.Contains(out, next) {
			out = append(out, next)
		}
	}
	return out
}

// Step returns the step of that name, nil when there is none.
func (f *Flow) Step(name string) *Step {
	for i := range f.Steps {
		if f.Steps[i].Name == name {
			return &f.Steps[i]
		}
	}
	return nil
}

// parents maps each step to those that lead to it, in the flow's order and
// without itself.
func (f *Flow) parents() map[string][]string {
	out := map[string][]string{}
	for i := range f.Steps {
		for _, next := range f.Steps[i].exits() {
			out[next] = append(out[next], f.Steps[i].Name)
		}
	}
	return out
}

// fans tells whether the step is a split, which a join must follow.
func (s *Step) fans() bool { return s.Kind == Foreach || s.Kind == Split || s.Kind == Gang }

// twin names the first split that leads to the same steps as this one. Splits
// that a switch chooses among may share all that follows, with their join.
func (f *Flow) twin(s *Step) string {
	mine := slices.Sorted(slices.Values(s.Next))
	for i := range f.Steps {
		t := &f.Steps[i]
		if t.fans() && slices.Equal(slices.Sorted(slices.Values(t.Next)), mine) {
			return t.Name
		}
	}
	return s.Name
}

// splits maps each step to the splits that are open where it begins, outermost
// first: those of a join still hold the one it joins. Of splits that share
// their steps the first one stands for all.
func (f *Flow) splits() map[string][]string {
	open := map[string][]string{f.Start: nil}
	for i := range f.Steps {
		s := &f.Steps[i]
		stack := open[s.Name]
		if s.Join {
			stack = stack[:len(stack)-1]
		}
		if s.fans() {
			stack = append(slices.Clone(stack), f.twin(s))
		}
		for _, next := range s.exits() {
			open[next] = stack
		}
	}
	return open
}

// String is the graph in one line, for messages.
func (f *Flow) String() string {
	var b strings.Builder
	for i, s := range f.Steps {
		if i > 0 {
			b.WriteString("; ")
		}
		if s.Join {
			b.WriteByte('>')
		}
		b.WriteString(s.Name)
		if s.Kind != Linear {
			b.WriteString(" " + string(s.Kind))
		}
		if len(s.Next) > 0 {
			b.WriteString(" " + strings.Join(s.Next, ","))
		}
	}
	return b.String()
}
