package schedule

import "fmt"

const (
	// maxWorker bounds a worker's index, maxSlots the leases one incarnation
	// may hold at once.
	maxWorker = 1 << 20
	maxSlots  = 64
	maxRetry  = 1 << 20
)

// worker is one iteration of a pool; incarnations come and go in it.
type worker struct {
	// newest is what KFP's node of this worker stands for. An older one that
	// is still alive lives on a node that was cut off: nobody restarts it, and
	// its exit code counts for nothing.
	newest       *incarnation
	incarnations []*incarnation // alive, as far as is known
}

// incarnation is one process of a launcher.
type incarnation struct {
	id         string
	pool       *poolState
	worker     int
	retryIndex int
	podUID     string
	podName    string
	// address is where the other members of a gang reach it.
	address string
	slots   map[int]ref
	// gone is how its end is known; empty while it may be alive.
	gone string
}

// stepJoined takes a launcher that came up.
//
//	known incarnation             a repeat: the same answer
//	run over and closed by KFP    `:retry`: the run re-opens
//	run over, lower retry index   `:retry`: the run re-opens
//	higher retry index            KFP saw the pod before end: its leases are over
//	same index, new pod           the pod vanished and was made anew: no proof,
//	                              the old process may run on somewhere
func (r *Run) stepJoined(ev Joined) (Answer, error) {
	pool, err := r.pool(ev.Pool)
	if err != nil {
		return nil, err
	}
	switch {
	case ev.Worker < 0 || ev.Worker >= maxWorker:
		return nil, fmt.Errorf("%w: worker: %d is out of range", ErrInvalid, ev.Worker)
	case ev.RetryIndex < 0 || ev.RetryIndex >= maxRetry:
		return nil, fmt.Errorf("%w: retry_index: %d is out of range", ErrInvalid, ev.RetryIndex)
	case !printable(ev.Incarnation, 128):
		return nil, fmt.Errorf("%w: incarnation_id: must be one short line", ErrInvalid)
	}
	ev.PodUID, ev.PodName = clip(ev.PodUID), clip(ev.PodName)
	if !pool.def.gang {
		ev.Address = ""
	} else if !printable(ev.Address, 255) {
		return nil, fmt.Errorf("%w: address: a worker of %s must say where the others of its gang reach it, as host:port", ErrInvalid, ev.Pool)
	}
	if inc := r.incarnations[ev.Incarnation]; inc != nil {
		switch {
		case inc.pool != pool:
			return nil, fmt.Errorf("%w: pool: %q, recorded is %q", ErrConflict, ev.Pool, inc.pool.def.name)
		case inc.worker != ev.Worker:
			return nil, fmt.Errorf("%w: worker: %d, recorded is %d", ErrConflict, ev.Worker, inc.worker)
		case inc.retryIndex != ev.RetryIndex:
			return nil, fmt.Errorf("%w: retry_index: %d, recorded is %d", ErrConflict, ev.RetryIndex, inc.retryIndex)
		case inc.podUID != ev.PodUID:
			return nil, fmt.Errorf("%w: pod_uid: %q, recorded is %q", ErrConflict, ev.PodUID, inc.podUID)
		case inc.address != ev.Address:
			return nil, fmt.Errorf("%w: address: %q, recorded is %q", ErrConflict, ev.Address, inc.address)
		case inc.gone != "":
			return nil, fmt.Errorf("%w: this incarnation is known to have ended: %s", ErrStale, inc.gone)
		}
		pool.seen = r.now
		return r.joinAnswer(pool, ev.Worker), nil
	}

	w := pool.workers[ev.Worker]
	if r.over() && (r.closed || w != nil && ev.RetryIndex < w.newest.retryIndex) {
		r.reopen(fmt.Sprintf("worker %d of %s was made anew by :retry", ev.Worker, pool.def.name))
	}
	var dead []*incarnation
	if w != nil && ev.RetryIndex > w.newest.retryIndex {
		for _, inc := range w.incarnations {
			// Only of the pod before is the end known: an older one of
			// another uid vanished, and may be cut off rather than dead.
			if inc.podUID == w.newest.podUID && inc.retryIndex == w.newest.retryIndex {
				dead = append(dead, inc)
			}
		}
	}
	r.emit(WorkerJoined{
		Stamp: r.stamp(), Pool: ev.Pool, Worker: ev.Worker, Incarnation: ev.Incarnation,
		RetryIndex: ev.RetryIndex, PodUID: ev.PodUID, PodName: ev.PodName, Address: ev.Address,
	})
	for _, inc := range dead {
		r.bury(inc, fmt.Sprintf("KFP started the worker again, retry %d", ev.RetryIndex), true)
	}
	return r.joinAnswer(pool, ev.Worker), nil
}

func (r *Run) joinAnswer(pool *poolState, worker int) JoinAnswer {
	if !r.over() || !pool.exits(worker) {
		return JoinAnswer{}
	}
	return JoinAnswer{ExitFailed: true, Reason: r.reason}
}

func (r *Run) applyWorkerJoined(rec WorkerJoined) error {
	pool, err := r.pool(rec.Pool)
	if err != nil {
		return err
	}
	if r.incarnations[rec.Incarnation] != nil || rec.Worker < 0 || rec.Worker >= maxWorker {
		return fmt.Errorf("worker %d of %s, incarnation %q: joined twice or out of range", rec.Worker, rec.Pool, clip(rec.Incarnation))
	}
	inc := &incarnation{
		id: rec.Incarnation, pool: pool, worker: rec.Worker, retryIndex: rec.RetryIndex,
		podUID: rec.PodUID, podName: rec.PodName, address: rec.Address, slots: map[int]ref{},
	}
	r.incarnations[inc.id] = inc
	w := pool.workers[rec.Worker]
	if w == nil {
		w = &worker{}
		pool.workers[rec.Worker] = w
	}
	w.newest = inc
	w.incarnations = append(w.incarnations, inc)
	pool.seen = max(pool.seen, rec.At)
	return nil
}

// stepGone takes the proof that an incarnation has ended; killed: it did not
// end by itself.
func (r *Run) stepGone(id, proof string, killed bool) (Answer, error) {
	inc, err := r.incarnation(id)
	if err != nil {
		return nil, err
	}
	if inc.gone == "" {
		r.bury(inc, proof, killed)
	}
	return Done{}, nil
}

// bury ends an incarnation that is known to be dead: its leases are free at
// once, nothing of it can write any more.
func (r *Run) bury(inc *incarnation, proof string, killed bool) {
	for slot := range maxSlots {
		if t, held := inc.slots[slot]; held {
			r.lose(t, proof, killed)
		}
	}
	r.emit(IncarnationGone{Stamp: r.stamp(), Incarnation: inc.id, Proof: proof})
}

func (r *Run) applyIncarnationGone(rec IncarnationGone) error {
	inc, err := r.incarnation(rec.Incarnation)
	if err != nil {
		return err
	}
	if len(inc.slots) > 0 {
		return fmt.Errorf("incarnation %s is gone but holds a lease", clip(rec.Incarnation))
	}
	inc.gone = rec.Proof
	w := inc.pool.workers[inc.worker]
	for i, other := range w.incarnations {
		if other == inc {
			w.incarnations = append(w.incarnations[:i], w.incarnations[i+1:]...)
			break
		}
	}
	if len(w.incarnations) == 0 {
		delete(inc.pool.idle, inc.worker)
		delete(inc.pool.seats, inc.worker)
	}
	return nil
}

// newest tells whether the incarnation is the one that KFP knows.
func (inc *incarnation) newest() bool { return inc.pool.workers[inc.worker].newest == inc }

// name is the worker as people see it.
func (inc *incarnation) name() string { return fmt.Sprintf("%s/%d", inc.pool.def.name, inc.worker) }

func (r *Run) incarnation(id string) (*incarnation, error) {
	if inc := r.incarnations[id]; inc != nil {
		return inc, nil
	}
	return nil, fmt.Errorf("%w: incarnation %q has not joined", ErrUnknown, clip(id))
}

// alive returns an incarnation that may act.
func (r *Run) alive(id string) (*incarnation, error) {
	inc, err := r.incarnation(id)
	if err != nil {
		return nil, err
	}
	if inc.gone != "" {
		return nil, fmt.Errorf("%w: this incarnation is known to have ended: %s", ErrStale, inc.gone)
	}
	return inc, nil
}

func (r *Run) pool(name string) (*poolState, error) {
	if def := r.graph.byPool[name]; def != nil {
		return r.pools[def.index], nil
	}
	return nil, fmt.Errorf("%w: the flow has no pool %q", ErrUnknown, clip(name))
}
