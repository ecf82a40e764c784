package flowgen

import (
	"maps"
	"slices"
)

// Plan is what running the flow must give, as JSON for tests in other
// languages.
type Plan struct {
	Seed     uint64                `json:"seed"`
	Flow     string                `json:"flow"`
	Graph    string                `json:"graph"`
	Features []string              `json:"features"`
	Tasks    int                   `json:"tasks"`
	Steps    map[string][]PlanTask `json:"steps"`
}

// PlanTask is one task of a plan. Inputs are "step/task", in the order the
// task gets them, none for the first; other fields are those of Task.
type PlanTask struct {
	Task       string   `json:"task"`
	Indices    []int64  `json:"indices"`
	Turn       int      `json:"turn"`
	Inputs     []string `json:"inputs"`
	SplitIndex *int64   `json:"split_index"`
	Next       []string `json:"next"`
	NumSplits  int64    `json:"num_splits"`
	GangSize   int64    `json:"gang_size"`
	Fails      int      `json:"fails"`
	Caught     bool     `json:"caught"`
	// Place and Digest are artifacts of the task, absent when it was caught.
	Place  string `json:"place"`
	Digest uint32 `json:"digest"`
}

// NewPlan sorts the tasks by step.
func NewPlan(seed uint64, f *Flow, tasks []*Task) Plan {
	p := Plan{Seed: seed, Flow: f.Name, Graph: f.String(), Tasks: len(tasks), Steps: map[string][]PlanTask{}}
	has := f.Features(tasks)
	p.Features = slices.DeleteFunc(slices.Sorted(maps.Keys(has)), func(name string) bool { return !has[name] })
	for i := range f.Steps {
		p.Steps[f.Steps[i].Name] = []PlanTask{}
	}
	for _, t := range tasks {
		p.Steps[t.Step] = append(p.Steps[t.Step], planned(t))
	}
	return p
}

func planned(t *Task) PlanTask {
	out := PlanTask{
		Task: t.ID, Indices: append([]int64{}, t.Indices...), Turn: t.Turn, Inputs: []string{}, Next: append([]string{}, t.Next...),
		NumSplits: t.NumSplits, GangSize: t.GangSize, Fails: t.Fails, Caught: t.Caught, Digest: t.Digest,
		Place: t.place(),
	}
	if t.SplitIndex >= 0 {
		out.SplitIndex = &t.SplitIndex
	}
	for _, in := range t.Inputs {
		out.Inputs = append(out.Inputs, in.name())
	}
	return out
}
