package scheduletest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
)

// Node states as KFP has them.
type nodeState int

const (
	nodePending nodeState = iota
	nodeRunning
	nodeSucceeded
	nodeFailed
	nodeOmitted
)

var nodeNames = [...]string{"pending", "running", "succeeded", "failed", "omitted"}

// retryLimit is the retryPolicy that every executor has.
const retryLimit = 5

// simNode is a pool of workers, or a gate.
type simNode struct {
	name  string
	step  string
	gate  bool
	needs []*simNode
	// list is the node whose output says how many workers there are; nil for
	// a container task.
	list  *simNode
	state nodeState
	pods  []*pod // the newest of each worker
	lists map[string]int
}

// layOut makes the nodes the compiler would. A step of fixed width is one
// container; any other is a pool over the list that the end of its decider
// gives. Dependants hang on the gate, where a step needs one: inside a foreach,
// or when it decides lists itself.
func (s *Sim) layOut() {
	d := s.cfg.Definition
	places, err := d.Frames()
	if err != nil {
		s.err = err
		return
	}
	s.places = places
	widths := d.Widths(places)
	decides := make([]bool, len(d.Steps))
	for _, w := range widths {
		if !w.Fixed() {
			decides[w.Decider()] = true
		}
	}
	ends := make([]*simNode, len(d.Steps)) // what a step's dependants hang on
	for i, step := range d.Steps {
		n := &simNode{name: step.Name, step: step.Name, lists: map[string]int{}}
		for _, parent := range places[i].Parents {
			n.needs = append(n.needs, ends[parent])
		}
		s.nodes = append(s.nodes, n)
		ends[i] = n
		if widths[i].Fixed() {
			continue
		}
		n.list = ends[widths[i].Decider()]
		n.needs = append(n.needs, n.list)
		many := slices.ContainsFunc(places[i].Frames, func(f flowdef.Frame) bool { return d.Steps[f.Split].Type != flowdef.SplitStatic })
		if many || decides[i] {
			gate := &simNode{name: "gate-" + step.Name, step: step.Name, gate: true, needs: n.needs, lists: map[string]int{}}
			s.nodes = append(s.nodes, gate)
			ends[i] = gate
		}
	}
}

// startReady starts the nodes whose needs are met, and omits those whose
// needs failed.
func (s *Sim) startReady() {
	for again := true; again; {
		again = false
		for _, n := range s.nodes {
			if n.state != nodePending {
				continue
			}
			switch worst := worstOf(n.needs); worst {
			case nodeSucceeded:
				again = true
				s.startNode(n)
			case nodeFailed, nodeOmitted:
				again = true
				n.state = nodeOmitted
			case nodePending, nodeRunning:
			}
		}
	}
	if s.flowDone() {
		s.endFlow()
	}
}

func worstOf(nodes []*simNode) nodeState {
	worst := nodeSucceeded
	for _, n := range nodes {
		switch n.state {
		case nodeFailed, nodeOmitted:
			return nodeFailed
		case nodePending, nodeRunning:
			worst = nodeRunning
		case nodeSucceeded:
		}
	}
	return worst
}

func (s *Sim) startNode(n *simNode) {
	workers := 1
	if n.list != nil {
		var known bool
		if workers, known = n.list.lists[n.step]; !known {
			s.fail("nobody said how many workers %s has", n.name)
		}
	}
	n.state = nodeRunning
	n.pods = nil
	for i := range workers {
		n.pods = append(n.pods, nil)
		s.makePod(n, i, 0)
	}
	if workers == 0 {
		n.state = nodeSucceeded
	}
}

// podEnded is the pod controller: retry by policy, and the node's state.
func (s *Sim) podEnded(p *pod, ok bool) {
	n := p.node
	if n.pods[p.worker] != p || p.replaced {
		return // a zombie
	}
	p.done, p.succeeded = true, ok
	if !ok && p.retryIndex < retryLimit {
		p.done = false
		s.after(s.between(5000, 15_000), func() { s.makePod(n, p.worker, p.retryIndex+1) })
		return
	}
	all, good := true, true
	for _, q := range n.pods {
		all = all && q != nil && q.done
		good = good && q != nil && q.succeeded
	}
	if !all {
		return
	}
	n.state = nodeFailed
	if good {
		n.state = nodeSucceeded
	}
	s.startReady()
}

// vanished makes the pod anew under the same name and index.
func (s *Sim) vanished(p *pod) {
	s.after(s.between(1000, 20_000), func() { s.makePod(p.node, p.worker, p.retryIndex) })
}

func (s *Sim) flowDone() bool {
	for _, n := range s.nodes {
		if n.state == nodePending || n.state == nodeRunning {
			return false
		}
	}
	return true
}

func (s *Sim) flowGood() bool {
	for _, n := range s.nodes {
		if n.state != nodeSucceeded {
			return false
		}
	}
	return true
}

// endFlow runs verify and the exit hook, then `:retry` if it is needed.
func (s *Sim) endFlow() {
	state := "FAILED"
	if s.flowGood() {
		state = "COMPLETE"
	}
	if !s.finished {
		s.finished = true
		s.exitHook(state)
	}
	if state == "COMPLETE" {
		return
	}
	if s.retries++; s.retries > 50 {
		s.fail("50 times :retry: %s", s.where())
		return
	}
	s.after(s.between(30_000, 600_000), s.retryRun)
}

func (s *Sim) exitHook(state string) {
	if _, err := s.feed(schedule.Finished{KFPState: state, Message: "by the exit hook"}); err != nil {
		s.after(2000, func() { s.exitHook(state) })
	}
}

// retryRun is `:retry`: what succeeded stays, failed workers and all that was
// omitted are made anew from index 0.
func (s *Sim) retryRun() {
	for _, n := range s.nodes {
		switch n.state {
		case nodeOmitted:
			n.state = nodePending
		case nodeFailed:
			n.state = nodeRunning
			for i, p := range n.pods {
				if !p.succeeded {
					s.makePod(n, i, 0)
				}
			}
		case nodePending, nodeRunning, nodeSucceeded:
		}
	}
	s.startReady()
}

// over: everything in KFP has succeeded and the driver agrees.
func (s *Sim) over() bool { return s.flowDone() && s.finished && s.run.Ended() && s.flowGood() }

func (s *Sim) describeNodes() string {
	var b strings.Builder
	for _, n := range s.nodes {
		fmt.Fprintf(&b, "%s=%s ", n.name, nodeNames[n.state])
	}
	return b.String()
}
