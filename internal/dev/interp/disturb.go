package interp

import (
	"fmt"
	"time"
)

// What a cluster can do to a pod; for tests.

// FailPod ends a container as an eviction does: the pod fails.
func (e *Engine) FailPod(uid string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	live, err := e.own(uid)
	if err != nil {
		return err
	}
	live.m.r.Nodes[live.path].Evicted = true
	err = e.store.save(live.m.r)
	live.proc.Terminate()
	return err
}

// VanishPod forgets a pod before anybody saw its end. With leaveProcess its
// processes live on.
func (e *Engine) VanishPod(uid string, leaveProcess bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	live, err := e.own(uid)
	if err != nil {
		return err
	}
	if !leaveProcess {
		live.proc.Lose()
		return nil
	}
	n := live.m.r.Nodes[live.path]
	live.orphan = true
	live.m.r.Orphans = append(live.m.r.Orphans, n.Proc)
	e.over(live.m, n, ending{vanished: true})
	e.settle()
	return nil
}

// CutPod closes a pod's way to the driver for good.
func (e *Engine) CutPod(uid string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	live, err := e.own(uid)
	if err != nil {
		return err
	}
	if live.proxy == nil {
		return fmt.Errorf("pod %s has no way of its own to the driver (--pod-proxy): %w", uid, ErrState)
	}
	live.proxy.close()
	return nil
}

// PodView is a pod as the disturbing routes show it.
type PodView struct {
	UID        string    `json:"uid"`
	Name       string    `json:"name"`
	Task       string    `json:"task"`
	State      string    `json:"state"`
	PID        int       `json:"pid"`
	RetryIndex int       `json:"retry_index"`
	Started    time.Time `json:"started,omitzero"`
}

// Pods lists the pods of a run that wait or run.
func (e *Engine) Pods(runID string) ([]PodView, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.runs[runID]
	if m == nil {
		return nil, fmt.Errorf("run %s: %w", runID, ErrNotFound)
	}
	out := []PodView{}
	for _, n := range m.sorted() {
		if n.Kind == KindPod && (n.State == Pending || n.State == Running) {
			out = append(out, PodView{
				UID: n.UID, Name: n.Name, Task: n.Task, State: n.State.kfp(), PID: n.Proc.PID, RetryIndex: n.Retry, Started: n.Started,
			})
		}
	}
	return out, nil
}
