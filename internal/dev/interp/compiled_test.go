package interp

import (
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// compiled returns the files of our compiler's own tests.
func compiled(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../compile/testdata/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d compiled pipelines, %v", len(files), err)
	}
	out := map[string][]byte{}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); name != "dressed" { // it mounts volumes
			out[name] = readFile(t, file)
		}
	}
	return out
}

// All that our compiler emits is understood, and whatever lists its deciding
// tasks write, of none, one or more workers, the run gets to its end.
func TestCompiledGraphs(t *testing.T) {
	for name, document := range compiled(t) {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				p := newPlay(t, document, nil)
				p.playOut(rand.New(rand.NewPCG(seed, 0)), nil)
				if p.root().State != Succeeded {
					t.Fatalf("seed %d: %s", seed, p.story())
				}
			}
		})
	}
}

// A run whose gate failed goes on after :retry: what was skipped stays so, and
// what succeeded does not run again.
func TestRetryKeepsSkippedPools(t *testing.T) {
	p := newPlay(t, compiled(t)["mixed"], nil)
	rng := rand.New(rand.NewPCG(1, 0))
	fails := map[string]bool{"flow/gate-s": true}
	before := map[string]string{}
	p.playOut(rng, func(n *Node) ending {
		switch {
		case fails[n.Path]:
			return bad
		case n.Path == "flow/step-p":
			return ending{outputs: Values{"workers_f": []byte("[]"), "workers_g": []byte("[0]"), "workers_fj": []byte("[]"), "workers_gj": []byte("[0]")}}
		}
		return p.anyLists(rng, n)
	})
	for _, n := range p.sorted() {
		before[n.Path] = string(n.State) + n.UID
	}
	if got := p.r.Nodes["flow/step-f"].State; p.root().State != Failed || got != Skipped {
		t.Fatalf("the run %s, f %s: %s", p.root().State, got, p.story())
	}
	if got := p.r.Nodes["flow/step-w"].State; got != Omitted {
		t.Errorf("w, which hangs on the gate that failed, is %s", got)
	}
	delete(fails, "flow/gate-s")
	if err := p.retry(p.now); err != nil {
		t.Fatal(err)
	}
	p.playOut(rng, nil)
	if p.root().State != Succeeded {
		t.Fatal(p.story())
	}
	for place, state := range before {
		good := strings.HasPrefix(state, string(Succeeded)) || strings.HasPrefix(state, string(Skipped))
		if n := p.r.Nodes[place]; good && string(n.State)+n.UID != state {
			t.Errorf("%s was %s and is %s%s", place, state, n.State, n.UID)
		}
	}
}

// playOut ends pods in any order until none is left.
func (p *play) playOut(rng *rand.Rand, end func(*Node) ending) {
	if end == nil {
		end = func(n *Node) ending { return p.anyLists(rng, n) }
	}
	for {
		var pending []*Node
		for _, n := range p.sorted() {
			if n.State == Pending {
				pending = append(pending, n)
			}
		}
		if len(pending) == 0 {
			return
		}
		n := pending[rng.IntN(len(pending))]
		p.end(n.Path, end(n))
	}
}

// anyLists is a good ending with workers for every list the pod must write.
func (p *play) anyLists(rng *rand.Rand, n *Node) ending {
	out := ending{outputs: Values{}}
	declared := p.component(p.task(n)).OutputDefinitions.Parameters
	var names []string
	for name := range declared {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		workers := []int{0, 1, 2}[:rng.IntN(4)]
		out.outputs[name], _ = json.Marshal(workers) // numbers only
	}
	return out
}
