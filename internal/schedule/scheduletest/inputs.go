package scheduletest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
)

// checkInputs: what a task is given has succeeded, went on to it, is there
// once, and is as many as Metaflow wants at that step.
func (s *Sim) checkInputs(g schedule.Grant) {
	if s.cfg.Quick {
		return
	}
	s.checkClone(g)
	if g.Parameters {
		return
	}
	def, _ := s.cfg.Definition.Step(g.Task.Step)
	inputs := Expand(g.Inputs)
	if int64(len(inputs)) != g.Inputs.Count {
		s.fail("task %v has %d inputs, told are %d", g.Task, len(inputs), g.Inputs.Count)
	}
	seen := map[schedule.TaskID]bool{}
	for _, in := range inputs {
		tr, done := s.seen.wentOn[in]
		if !done || seen[in] {
			s.fail("task %v has the input %v, which is there twice or has not succeeded", g.Task, in)
		}
		if in.Step != flowdef.ParametersStep && !slices.Contains(tr.Next, g.Task.Step) {
			s.fail("task %v has the input %v, which went on to %q", g.Task, in, tr.Next)
		}
		seen[in] = true
	}
	if want := s.inputsOf(def, g.Task); len(inputs) != want {
		s.fail("task %v has %d inputs (%v), Metaflow wants %d", g.Task, len(inputs), inputs, want)
	}
	if g.SplitIndex != nil && g.Gang == nil && (len(g.IndexPath) == 0 || g.IndexPath[len(g.IndexPath)-1] != *g.SplitIndex) {
		s.fail("task %v has split index %d at %v", g.Task, *g.SplitIndex, g.IndexPath)
	}
}

// inputsOf is how many inputs Metaflow wants: one, or as many as the split
// made.
func (s *Sim) inputsOf(def *flowdef.Step, task schedule.TaskID) int {
	d := s.cfg.Definition
	i := slices.IndexFunc(d.Steps, func(step flowdef.Step) bool { return step.Name == def.Name })
	if s.places[i].Joins < 0 {
		return 1
	}
	split := d.Steps[s.places[i].Joins]
	if split.Type == flowdef.SplitStatic {
		return len(split.Next)
	}
	place, _, _ := strings.Cut(task.Task, "-i")
	for k := range 50 {
		id := place
		if k > 0 {
			id = fmt.Sprintf("%s-i%d", place, k)
		}
		for j, twin := range d.Steps {
			if s.places[j].Twin != s.places[i].Joins {
				continue
			}
			if tr, done := s.seen.wentOn[schedule.TaskID{Step: twin.Name, Task: id}]; done {
				return int(tr.NumSplits + tr.GangSize)
			}
		}
	}
	return 0
}

// Expand lists a task's inputs one by one.
func Expand(in schedule.Inputs) []schedule.TaskID {
	list := slices.Clone(in.List)
	for _, r := range in.Ranges {
		for i := r.First; i <= r.Last; i++ {
			list = append(list, schedule.TaskID{Step: r.Step, Task: fmt.Sprintf("%s-%d%s", r.Prefix, i, r.Suffix)})
		}
	}
	return list
}

// giveLists notes a node's output. A list once given is final.
func (s *Sim) giveLists(n *simNode, lists []schedule.WorkerList) {
	for _, l := range lists {
		if before, told := s.seen.lists[l.Step]; told && before != l.Workers {
			s.fail("%s has %d workers, and was told to have %d before", l.Step, l.Workers, before)
		}
		s.seen.lists[l.Step] = l.Workers
		n.lists[l.Step] = l.Workers
	}
}

// checkLists: every list was as long as the step has places with a task, at
// most max-workers; a loop's iterations are of one place.
func (s *Sim) checkLists() {
	places := map[string]map[string]bool{}
	for t := range s.run.Tasks() {
		if places[t.Task.Step] == nil {
			places[t.Task.Step] = map[string]bool{}
		}
		place, _, _ := strings.Cut(t.Task.Task, "-r")
		place, _, _ = strings.Cut(place, "-i")
		places[t.Task.Step][place] = true
	}
	for step, workers := range s.seen.lists {
		want := min(len(places[step]), s.cfg.Definition.MaxWorkers)
		if def, _ := s.cfg.Definition.Step(step); def.Parallel {
			want = s.gangWorkers(step)
		}
		if workers != want {
			s.fail("%s was told to have %d workers, it has tasks at %d places", step, workers, len(places[step]))
		}
	}
}
