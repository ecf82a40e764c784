package dispatch

import "sync"

// watchers are told when the state of a run changes, or when a gang must end,
// so that neither need wait for its launchers' next renewal. A signal is never waited
// for: one that was not taken yet stands for all later ones.
type watchers struct {
	mu    sync.Mutex
	byRun map[string]map[chan struct{}]struct{}
}

func newWatchers() *watchers {
	return &watchers{byRun: map[string]map[chan struct{}]struct{}{}}
}

func (w *watchers) add(runID string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byRun[runID] == nil {
		w.byRun[runID] = map[chan struct{}]struct{}{}
	}
	w.byRun[runID][c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.byRun[runID], c)
		if len(w.byRun[runID]) == 0 {
			delete(w.byRun, runID)
		}
	}
}

func (w *watchers) notify(runID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.byRun[runID] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
