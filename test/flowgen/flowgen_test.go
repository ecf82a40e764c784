package flowgen

import (
	"slices"
	"testing"
)

// TestDefinitions: what is grown is a flow that the driver takes.
func TestDefinitions(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(2000) {
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
		for name, has := range f.Features(tasks) {
			if has {
				seen[name]++
			}
		}
	}
	t.Log(seen)
}

// TestFeatures: every shape can be asked for, with few tasks, and left out.
func TestFeatures(t *testing.T) {
	for _, name := range Features() {
		f, tasks, err := Make(1, Options{With: []string{name}})
		if err != nil || !f.Features(tasks)[name] {
			t.Errorf("%s is asked for: %v, %v", name, f, err)
		}
		f, _, err = Make(1, Options{Without: []string{name}})
		if err != nil || f.Features(nil)[name] {
			t.Errorf("%s is to be left out: %v, %v", name, f, err)
		}
	}
	if _, _, err := Make(1, Options{With: []string{"flying"}}); err == nil {
		t.Error("a feature that is none is taken")
	}
	if _, _, err := Make(1, Options{With: []string{"single", "gang"}}); err == nil {
		t.Error("features that exclude each other are taken")
	}
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
