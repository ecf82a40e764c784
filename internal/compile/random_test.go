package compile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/flowdef"
)

// maker makes random flows that Metaflow would run.
type maker struct {
	rng   *rand.Rand
	specs []string
	names int
}

func randomFlow(seed uint64) *flowdef.Definition {
	m := &maker{rng: rand.New(rand.NewPCG(seed, 0))}
	m.region("start", "end", 1+m.rng.IntN(4))
	d := flow(strings.Join(append(m.specs, "end:end"), " "))
	for i := range d.Steps {
		d.Steps[i].Parallel = strings.HasPrefix(d.Steps[i].Name, "gang")
	}
	return d
}

func (m *maker) step(name, kind string, next ...string) {
	m.specs = append(m.specs, name+":"+kind+">"+strings.Join(next, ","))
}

func (m *maker) name(of string) string {
	m.names++
	return fmt.Sprintf("%s%d", of, m.names)
}

// region writes steps from the one of that name to those that go on to next.
// The last of them is never a switch: next may be a join.
func (m *maker) region(name, next string, depth int) {
	if depth == 0 {
		m.step(name, "linear", next)
		return
	}
	switch m.rng.IntN(7) {
	case 0:
		middle := m.name("s")
		m.region(name, middle, depth-1)
		m.region(middle, next, depth-1)
	case 1:
		m.branches(name, next, depth)
	case 2:
		body, join := m.name("s"), m.name("join")
		m.step(name, "split-foreach", body)
		m.region(body, join, depth-1)
		m.step(join, "join", next)
	case 3:
		gang, join := m.name("gang"), m.name("join")
		m.step(name, "split-parallel", gang)
		m.step(gang, "linear", join)
		m.step(join, "join", next)
	case 4:
		m.choice(name, next, depth)
	case 5:
		m.shared(name, next, depth)
	default:
		m.loop(name, next, depth)
	}
}

func (m *maker) branches(name, next string, depth int) {
	join := m.name("join")
	arms := make([]string, 2+m.rng.IntN(2))
	for i := range arms {
		arms[i] = m.name("s")
	}
	m.step(name, "split-static", arms...)
	for _, arm := range arms {
		m.region(arm, join, depth-1)
	}
	m.step(join, "join", next)
}

// choice may go straight to where its branches converge.
func (m *maker) choice(name, next string, depth int) {
	end := m.name("s")
	arms := []string{m.name("s"), m.name("s")}
	targets := slices.Clone(arms)
	if m.rng.IntN(3) == 0 {
		targets = append(targets, end)
	}
	m.step(name, "split-switch", targets...)
	for _, arm := range arms {
		m.region(arm, end, depth-1)
	}
	m.region(end, next, depth-1)
}

// shared has a step that two switches lead to.
func (m *maker) shared(name, next string, depth int) {
	left, right, both, own, end := m.name("s"), m.name("s"), m.name("s"), m.name("s"), m.name("s")
	m.step(name, "split-switch", left, right)
	m.step(left, "split-switch", both, end)
	m.step(right, "split-switch", own, both)
	m.region(both, end, depth-1)
	m.region(own, end, depth-1)
	m.region(end, next, depth-1)
}

func (m *maker) loop(name, next string, depth int) {
	if name == "start" {
		name = m.name("s")
		m.step("start", "linear", name)
	}
	out, end := m.name("s"), m.name("s")
	targets := []string{name, out}
	if m.rng.IntN(2) == 0 {
		targets = append(targets, end)
	}
	m.step(name, "split-switch", targets...)
	m.region(out, end, depth-1)
	m.region(end, next, depth-1)
}

// In any graph a list has one producer, which no list decides on and which
// has run before it is read; a step runs after all that lead to it; nothing
// waits for itself.
func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(2000) {
		d := randomFlow(seed)
		nodes := shapeOf(t, d)
		p, err := Compile(d, config())
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if faults := faultsOf(p, nodes); len(faults) > 0 {
			t.Fatalf("seed %d: %s\n%s", seed, strings.Join(faults, "\n"), strings.Join(graphText(d), " "))
		}
	}
}

func graphText(d *flowdef.Definition) []string {
	var out []string
	for _, s := range d.Steps {
		out = append(out, fmt.Sprintf("%s:%s>%s", s.Name, s.Type, strings.Join(s.Next, ",")))
	}
	return out
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
