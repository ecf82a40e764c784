package flowgen

import (
	"fmt"
	"slices"
	"strings"
)

// Options say what flows to make. The zero value of a bound is its default.
type Options struct {
	// Steps, Tasks and Depth bound a flow's steps (about), its tasks, and how
	// deep splits nest.
	Steps, Tasks, Depth int
	// Splits, Turns and Gang bound a foreach, a loop and a gang.
	Splits, Turns, Gang int
	// With are features that must be run, Without those that must not be there.
	With, Without []string
}

// about maps each feature to the kind of item that it is about.
var about = map[string]string{
	"split": "split", "foreach": "foreach", "switch": "switch", "loop": "loop", "gang": "gang",
	"retry": "", "catch": "", "names": "", "single": "",
	"nested":           "foreach", // a foreach inside a foreach
	"several-leaves":   "switch",  // a join of a foreach that several steps lead to
	"same-target":      "switch",  // two cases, one step
	"shared-target":    "switch",  // a step reached from two switches
	"straight-to-end":  "switch",  // a branch without a step
	"switch-first":     "switch",  // the first step of a foreach's body chooses
	"switch-inside":    "switch",  // a switch in a foreach
	"split-inside":     "split",   // a static split in a foreach
	"loop-first":       "loop",    // the first step of a foreach's body loops
	"loop-inside":      "loop",    // a loop in a foreach
	"loop-twice":       "loop",    // a loop right after a loop
	"loop-two-ways":    "loop",    // a loop with two ways out
	"gang-inside":      "gang",    // a gang in a foreach
	"foreach-in-case":  "foreach", // a switch chooses a foreach
	"gang-retry":       "gang",    // a gang whose members fail and try again
	"gang-in-case":     "gang",    // a switch chooses what starts a gang
	"foreach-in-split": "foreach", // a foreach in a static split
	"twins":            "twins",   // two splits with the same steps and join, chosen by a switch
}

// Features are the names that With and Without take.
func Features() []string {
	var out []string
	for name := range about {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Make returns the first flow of the seed that is as the options want it, and
// its tasks; few flows are tiny. It fails when the options name no feature, or none of many tries
// has them all.
func Make(seed uint64, o Options) (*Flow, []*Task, error) {
	for _, name := range append(slices.Clone(o.With), o.Without...) {
		if _, ok := about[name]; !ok {
			return nil, nil, fmt.Errorf("no feature %q: there are %s", name, strings.Join(Features(), ", "))
		}
	}
	o.fill()
	least := min(4, o.Tasks)
	if seed%32 == 0 || slices.Contains(o.With, "single") {
		least = 1
	}
	for try := range uint64(20_000) {
		f := grow(seed, try, &o)
		has := f.Features(nil)
		if !fits(has, has, &o) {
			continue
		}
		tasks, err := f.Tasks(o.Tasks)
		if err == nil && len(tasks) >= least && fits(f.Features(tasks), has, &o) {
			return f, tasks, nil
		}
	}
	return nil, nil, fmt.Errorf("seed %d: no flow of at most %d tasks with %v and without %v: allow more tasks or steps", seed, o.Tasks, o.With, o.Without)
}

func (o *Options) fill() {
	set := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	set(&o.Steps, 12)
	set(&o.Tasks, 12)
	set(&o.Depth, 3)
	set(&o.Splits, 3)
	set(&o.Turns, 3)
	set(&o.Gang, 3)
}

// fits compares what runs with what is wanted, and all of the graph with what
// is not.
func fits(runs, has map[string]bool, o *Options) bool {
	lacks := func(name string) bool { return !runs[name] }
	return !slices.ContainsFunc(o.With, lacks) && !slices.ContainsFunc(o.Without, func(name string) bool { return has[name] })
}

// Features says what is in the flow: of the steps that the tasks are of, or of
// all when there are no tasks.
func (f *Flow) Features(tasks []*Task) map[string]bool {
	has := map[string]bool{"single": len(f.Steps) == 1, "names": len(f.Steps) > 1 && f.Start != "start"}
	parents, open := f.parents(), f.splits()
	ran := map[string]bool{}
	for _, t := range tasks {
		ran[t.Step] = true
	}
	for i := range f.Steps {
		s := &f.Steps[i]
		if tasks != nil && !ran[s.Name] {
			continue
		}
		inside := false
		for _, split := range open[s.Name] {
			inside = inside || f.Step(split).Kind == Foreach
		}
		// A join stands outside of what it joins, but one that hands on to a
		// split is no matter here: joins are linear.
		f.ofKind(s, inside, has)
		f.ofEntry(s, parents[s.Name], has)
		has["retry"] = has["retry"] || s.Retries > 0
		has["gang-retry"] = has["gang-retry"] || s.Retries > 0 && s.Member
		has["catch"] = has["catch"] || s.Catch
	}
	return has
}

func (f *Flow) ofKind(s *Step, inside bool, has map[string]bool) {
	mark := func(name string, also ...string) {
		has[name] = true
		for _, a := range also {
			has[a] = has[a] || inside
		}
	}
	has["twins"] = has["twins"] || s.fans() && f.twin(s) != s.Name
	switch s.Kind {
	case Foreach:
		mark("foreach", "nested")
		for _, split := range f.splits()[s.Name] {
			has["foreach-in-split"] = has["foreach-in-split"] || f.Step(split).Kind == Split
		}
	case Split:
		mark("split", "split-inside")
	case Gang:
		mark("gang", "gang-inside")
	case Switch:
		if s.Loops() {
			mark("loop", "loop-inside")
			has["loop-two-ways"] = has["loop-two-ways"] || len(s.exits()) > 1
		} else {
			mark("switch", "switch-inside")
			has["same-target"] = has["same-target"] || len(s.exits()) < len(s.Next)
		}
		has["straight-to-end"] = has["straight-to-end"] || slices.Contains(s.Next, f.End)
	case Linear:
	}
}

// ofEntry marks what follows from how a step is reached.
func (f *Flow) ofEntry(s *Step, parents []string, has map[string]bool) {
	switches := 0
	for _, name := range parents {
		switch p := f.Step(name); p.Kind {
		case Foreach:
			has["loop-first"] = has["loop-first"] || s.Loops()
			has["switch-first"] = has["switch-first"] || s.Kind == Switch && !s.Loops()
		case Switch:
			switches++
			has["loop-twice"] = has["loop-twice"] || p.Loops() && s.Loops()
			has["foreach-in-case"] = has["foreach-in-case"] || s.Kind == Foreach
			has["gang-in-case"] = has["gang-in-case"] || s.Kind == Gang
		case Linear, Split, Gang:
		}
	}
	has["shared-target"] = has["shared-target"] || switches > 1
	if split := f.splits()[s.Name]; s.Join && f.Step(split[len(split)-1]).Kind == Foreach {
		has["several-leaves"] = has["several-leaves"] || len(parents) > 1
	}
}
