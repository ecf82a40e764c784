package compile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/test/flowgen"
)

// In any graph a list has one producer, which no list decides on and which
// has run before it is read; a step runs after all that lead to it; nothing
// waits for itself.
func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(1000) {
		f, _, err := flowgen.Make(seed, flowgen.Options{Steps: 30, Tasks: 1000, Depth: 4})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		d := f.Definition()
		nodes := shapeOf(t, d)
		p, err := Compile(d, config())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if faults := faultsOf(p, nodes); len(faults) > 0 {
			t.Fatalf("seed %d: %s\n%s", seed, strings.Join(faults, "\n"), f)
		}
	}
}

func faultsOf(p *Pipeline, nodes []*node) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	tasks := p.Spec.Components["comp-flow"].DAG.Tasks
	gates, unread := 0, map[string]bool{}
	for name := range tasks {
		if defs := p.Spec.Components["comp-"+name].OutputDefinitions; defs != nil {
			for list := range defs.Parameters {
				if tasks[name].ParameterIterator != nil || unread[list] {
					fault("%s declares %s, and is a pool or not alone", name, list)
				}
				unread[list] = true
			}
		}
	}
	for _, n := range nodes {
		own := []string{stepTask(n.step.Name)}
		if n.gated {
			gates, own = gates+1, append(own, gateTask(n.step.Name))
		}
		for _, name := range own {
			for _, parent := range n.parents {
				if !slices.Contains(tasks[name].DependentTasks, parent.end()) {
					fault("%s does not wait for %s", name, parent.end())
				}
			}
		}
		if tasks[own[0]].ParameterIterator == nil {
			continue
		}
		list := tasks[own[0]].Inputs.Parameters[workersInput].TaskOutput
		if _, declared := p.Spec.Components["comp-"+list.ProducerTask].OutputDefinitions.Parameters[list.OutputKey]; !declared {
			fault("%s reads %s of %s, which it does not declare", own[0], list.OutputKey, list.ProducerTask)
		}
		if !slices.Contains(tasks[own[0]].DependentTasks, list.ProducerTask) {
			fault("%s does not wait for its list", own[0])
		}
		delete(unread, list.OutputKey)
	}
	if len(unread) > 0 {
		fault("nobody reads %v", unread)
	}
	if want := len(nodes) + gates; len(tasks) != want || len(p.Spec.DeploymentSpec.Executors) != want+2 {
		fault("%d tasks and %d executors for %d steps and %d gates", len(tasks), len(p.Spec.DeploymentSpec.Executors), len(nodes), gates)
	}
	return append(faults, circles(tasks)...)
}

func circles(tasks map[string]task) []string {
	done := map[string]bool{}
	for len(done) < len(tasks) {
		before := len(done)
		for name, t := range tasks {
			if !slices.ContainsFunc(t.DependentTasks, func(dep string) bool { return !done[dep] }) {
				done[name] = true
			}
		}
		if len(done) == before {
			return []string{"tasks wait for each other, or for none"}
		}
	}
	return nil
}
