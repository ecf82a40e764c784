package interp

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrState means that a run is not in the state for what was asked of it.
var ErrState = errors.New("not in this state of the run")

// terminate ends a run: what waits is omitted, the shell ends what runs. No
// exit hook runs.
func (m *machine) terminate(now time.Time) error {
	if m.root().State.fulfilled() {
		return fmt.Errorf("%w: it has ended already", ErrState)
	}
	m.r.Terminating = true
	for _, n := range m.r.Nodes {
		if n.Kind == KindPod && n.State == Pending {
			n.State, n.Ended, n.Message = Failed, now, "terminated"
		}
	}
	m.advance(now)
	return nil
}

// retry makes anew what failed, from retry index 0. Succeeded and Skipped
// nodes stay, and so does an exit hook that has run.
func (m *machine) retry(now time.Time) error {
	root := m.root()
	if root.State != Failed {
		return fmt.Errorf("%w: only a failed run can be retried", ErrState)
	}
	for _, n := range m.r.Nodes {
		if n.State == Pending || n.State == Running {
			return fmt.Errorf("%w: pod %s is still %s", ErrState, n.Name, n.State)
		}
	}
	for place, n := range m.r.Nodes {
		switch {
		case n.State.good(), m.ranAsHook(n):
		case n.Kind == KindDAG && n.State == Failed, n.Kind == KindPool && n.Children > 0:
			n.State, n.Ended, n.Message = Running, time.Time{}, ""
		case n.Kind == KindPod && m.inPool(n):
			*n = Node{Path: n.Path, Task: n.Task, Kind: n.Kind, Inputs: n.Inputs}
		default:
			delete(m.r.Nodes, place)
		}
	}
	m.r.Ended = time.Time{}
	m.advance(now)
	return nil
}

func (m *machine) ranAsHook(n *Node) bool {
	return n.Kind == KindPod && n.State != Omitted && m.task(n).isExit()
}

func (m *machine) inPool(n *Node) bool {
	folder, _, ok := cutLast(n.Path)
	return ok && m.r.Nodes[folder] != nil && m.r.Nodes[folder].Kind == KindPool
}

func cutLast(place string) (folder, last string, ok bool) {
	i := strings.LastIndexByte(place, '/')
	if i < 0 {
		return "", place, false
	}
	return place[:i], place[i+1:], true
}
