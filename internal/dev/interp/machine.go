package interp

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rules are what a stack was started with.
type rules struct {
	// vanishError: a vanished pod is not made anew.
	vanishError bool
	// maxBackoff caps the pause before a restart.
	maxBackoff time.Duration
	newUID     func() string
}

// machine decides what follows. It is pure but for new uids: the time comes
// in, the record changes, and the shell acts on nodes that are Pending.
type machine struct {
	p *Pipeline
	r *Record
	rules
}

func (m *machine) root() *Node {
	n := m.r.Nodes["."]
	if n == nil {
		n = &Node{Path: ".", Task: m.p.Name, Kind: KindDAG, State: Running, Inputs: m.r.Args, Started: m.r.Created}
		m.r.Nodes["."] = n
	}
	return n
}

// advance begins what is ready and ends what is over, until nothing changes.
func (m *machine) advance(now time.Time) {
	root := m.root()
	for !root.State.fulfilled() && m.stepDAG(root, &m.p.spec.Root, now) {
		continue
	}
	if root.State.fulfilled() && m.r.Ended.IsZero() {
		m.r.Ended, m.r.Terminating = now, false
	}
}

// component returns what a task runs.
func (m *machine) component(t *task) *component {
	c := m.p.spec.Components[t.ComponentRef.Name]
	return &c
}

func (m *machine) stepDAG(d *Node, c *component, now time.Time) (changed bool) {
	over, state := true, Succeeded
	for _, key := range slices.Sorted(maps.Keys(c.DAG.Tasks)) {
		t := c.DAG.Tasks[key]
		n := m.node(d, key, t)
		before := n.State
		switch {
		case n.State == Waiting:
			m.begin(d, c, n, t, now)
		case n.State.fulfilled():
		case n.Kind == KindDAG:
			changed = m.stepDAG(n, m.component(t), now) || changed
		case n.Kind == KindPool:
			changed = m.stepPool(n, t, now) || changed
		}
		changed = changed || n.State != before
		over = over && n.State.fulfilled()
		// An exit hook's ending counts for nothing.
		if n.State == Failed || n.State == Errored || m.r.Terminating {
			if !t.isExit() {
				state = Failed
			}
		}
	}
	if over {
		d.State, d.Ended = state, now
	}
	return changed || over
}

// node returns the node of a task, new ones Waiting.
func (m *machine) node(d *Node, key string, t *task) *Node {
	place := path.Join(d.Path, key)
	n := m.r.Nodes[place]
	if n == nil {
		n = &Node{Path: place, Task: t.TaskInfo.Name, Kind: KindPod}
		if n.Task == "" {
			n.Task = key
		}
		switch {
		case m.component(t).DAG != nil:
			n.Kind = KindDAG
		case t.ParameterIterator != nil:
			n.Kind = KindPool
		}
		m.r.Nodes[place] = n
	}
	return n
}

// begin starts a task whose dependencies are over, or omits it.
func (m *machine) begin(d *Node, c *component, n *Node, t *task, now time.Time) {
	good := true
	for _, dep := range t.after() {
		upstream := m.node(d, dep, c.DAG.Tasks[dep])
		if !upstream.State.fulfilled() || !t.isExit() && !m.hooksOver(d, c, dep) {
			return
		}
		good = good && upstream.State.good()
	}
	switch {
	case m.r.Terminating:
		n.State, n.Ended = Omitted, now
		return
	case !good && !t.isExit():
		n.State, n.Ended = Omitted, now
		return
	}
	n.Started = now
	var err error
	if n.Inputs, err = m.inputs(d, c, t); err != nil {
		// KFP's own pod before ours fails, and is never started again.
		n.State, n.Ended, n.Message = Failed, now, err.Error()
		return
	}
	switch n.Kind {
	case KindDAG:
		n.State = Running
	case KindPool:
		m.beginPool(n, t, now)
	case KindPod:
		m.enqueue(n, now)
	}
}

// hooksOver: Argo goes on after a task only when its exit hook has ended.
func (m *machine) hooksOver(d *Node, c *component, key string) bool {
	for name, t := range c.DAG.Tasks {
		if t.isExit() && t.DependentTasks[0] == key && !m.node(d, name, t).State.fulfilled() {
			return false
		}
	}
	return true
}

func (m *machine) beginPool(n *Node, t *task, now time.Time) {
	var items []json.RawMessage
	list := t.ParameterIterator.Items.InputParameter
	if err := json.Unmarshal(n.Inputs[list], &items); err != nil {
		n.State, n.Ended, n.Message = Failed, now, fmt.Sprintf("input %s is no list: %v", list, err)
		return
	}
	n.Children, n.State = len(items), Running
	for i, item := range items {
		child := &Node{Path: path.Join(n.Path, strconv.Itoa(i)), Task: n.Task, Kind: KindPod, Inputs: maps.Clone(n.Inputs)}
		child.Inputs[t.ParameterIterator.ItemInput] = item
		m.r.Nodes[child.Path] = child
	}
	if len(items) == 0 {
		n.State, n.Ended = Skipped, now
	}
}

func (m *machine) stepPool(n *Node, t *task, now time.Time) (changed bool) {
	active, over, state := 0, true, Succeeded
	for i := range n.Children {
		child := m.r.Nodes[path.Join(n.Path, strconv.Itoa(i))]
		if child.State == Waiting && m.r.Terminating {
			child.State, child.Ended, changed = Omitted, now, true
		}
		limit := t.IteratorPolicy.ParallelismLimit
		if child.State == Waiting && (limit == 0 || active < limit) {
			child.Started, changed = now, true
			m.enqueue(child, now)
		}
		if child.State == Pending || child.State == Running {
			active++
		}
		over = over && child.State.fulfilled()
		switch child.State {
		case Errored:
			state = Errored
		case Failed, Omitted:
			if state != Errored {
				state = Failed
			}
		default:
		}
	}
	if over {
		n.State, n.Ended = state, now
	}
	return changed || over
}

// enqueue makes the node's pod, Pending.
func (m *machine) enqueue(n *Node, now time.Time) {
	m.r.Seq++
	n.State, n.Seq, n.UID, n.Evicted, n.Proc = Pending, m.r.Seq, m.newUID(), false, Process{}
	n.Name = podName(m.r.ID, n.Path, n.Retry)
	if n.NotBefore.Before(now) {
		n.NotBefore = now
	}
}

// podName differs by the retry index, and by nothing else of one node.
func podName(run, place string, retry int) string {
	return fmt.Sprintf("%.8s-%s-%d", run, strings.ReplaceAll(place, "/", "-"), retry)
}

// ended takes the end of the node's pod.
func (m *machine) ended(n *Node, e ending, now time.Time) {
	switch {
	case m.r.Terminating && (e.vanished || e.code != 0):
		n.State, n.Ended, n.Message = Failed, now, "terminated"
	case e.vanished && m.vanishError:
		n.State, n.Ended, n.Message = Errored, now, "pod deleted"
	case e.vanished:
		m.enqueue(n, now) // same name, same index, new uid
	case e.code == 0 && !n.Evicted:
		n.State, n.Ended, n.Outputs, n.Message = Succeeded, now, e.outputs, ""
	default:
		m.failed(n, e, now)
	}
	m.advance(now)
}

func (m *machine) failed(n *Node, e ending, now time.Time) {
	n.Message = fmt.Sprintf("exit code %d", e.code)
	if e.message != "" {
		n.Message += ": " + e.message
	}
	policy := m.policy(n)
	if policy == nil || n.Retry >= policy.MaxRetryCount {
		n.State, n.Ended = Failed, now
		return
	}
	pause := time.Duration(policy.BackoffDuration)
	for range n.Retry {
		if policy.BackoffFactor > 1 && pause < m.maxBackoff {
			pause = time.Duration(float64(pause) * policy.BackoffFactor)
		}
	}
	pause = min(pause, m.maxBackoff)
	// Without a maximum Argo takes it as 0 and never restarts.
	if now.Add(pause).After(n.FirstStart.Add(time.Duration(policy.BackoffMaxDuration))) {
		n.State, n.Ended = Failed, now
		n.Message += "; max duration limit exceeded"
		return
	}
	n.Retry++
	n.NotBefore = now.Add(pause)
	m.enqueue(n, now)
}

// task returns the task a pod's node belongs to.
func (m *machine) task(n *Node) *task {
	c := &m.p.spec.Root
	for key := range strings.SplitSeq(n.Path, "/") {
		t := c.DAG.Tasks[key]
		if c = m.component(t); c.DAG == nil {
			return t // a last part, if any, is the index in a pool
		}
	}
	return nil
}

func (m *machine) policy(n *Node) *retryPolicy { return m.task(n).RetryPolicy }
