package flowgen

import (
	"slices"
	"testing"
)

// TestDefinitions: what is grown is a flow that the driver takes, and every
// shape turns up.
func TestDefinitions(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(3000) {
		f, tasks, err := Make(seed, Options{Tasks: 40})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Definition().Validate(); err != nil {
			t.Fatalf("seed %d: %s\n%v", seed, f, err)
		}
		if last := tasks[len(tasks)-1]; last.Step != f.End {
			t.Fatalf("seed %d: %s\nthe model ends in %s, not in %s", seed, f, last.name(), f.End)
		}
		for name, has := range f.Features() {
			if has {
				seen[name]++
			}
		}
	}
	for _, name := range Features() {
		if seen[name] == 0 {
			t.Errorf("no flow has %s", name)
		}
	}
	t.Log(seen)
}

// TestMakeIsDeterministic: a seed that a test prints gives the flow again, for
// ever.
func TestMakeIsDeterministic(t *testing.T) {
	f, tasks, err := Make(7, Options{With: []string{"loop-inside", "gang"}})
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := Make(7, Options{With: []string{"loop-inside", "gang"}})
	if err != nil || f.Script("") != again.Script("") {
		t.Fatalf("the same seed gave two flows: %v", err)
	}
	var names []string
	for _, task := range tasks {
		names = append(names, task.name())
	}
	t.Log(f, names)
	if len(names) > 12 || !slices.Contains(names, f.End+"/task") {
		t.Errorf("tasks %v", names)
	}
}
