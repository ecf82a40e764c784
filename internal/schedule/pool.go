package schedule

import "fmt"

// poolState is one pool of workers.
type poolState struct {
	def     *poolDef
	workers map[int]*worker
	counts  [numStates]int64
	queue   readyQueue
	// exit is the worker that exits 1 because of the run's end, -1 for none.
	exit int
	// gateIndex is the retry index of the gate's newest pod, -1 before any.
	gateIndex int
	gatePod   string
	// gangs are the unfinished ones, in the order of their making.
	gangs []*gang
	// runnableSince is when the pool last came to have waiting tasks.
	runnableSince Millis
	// due: all that the pool depends on has ended, its tasks all exist but for
	// those it makes itself, and KFP starts it; dueSince is when.
	due      bool
	dueSince Millis

	// Not durable: idle workers with the moment of their last question, and
	// the last sign of life of any worker.
	idle map[int]Millis
	seen Millis
	// seats are the idle workers of a gang's pool, instead.
	seats map[int]*seat
}

func newPoolState(def *poolDef) *poolState {
	return &poolState{def: def, workers: map[int]*worker{}, exit: -1, gateIndex: -1, idle: map[int]Millis{}, seats: map[int]*seat{}}
}

func (r *Run) expectedWorkers(p *poolState) int {
	most := 0
	for _, n := range p.def.nodes {
		most = max(most, r.width(n))
	}
	return most
}

// idleAnswer tells a worker for which there is no task whether to stay. A
// worker that leaves exits 0 and KFP does not start it again, so those that
// stay must be enough for whatever can still come: one per pending delay (a
// task that will be leased for sure), and the spares while any task is leased
// (its worker may be lost). A straggler alone does not hold a hundred pods.
func (r *Run) idleAnswer(inc *incarnation) Answer {
	p := inc.pool
	until := Millis(0)
	if at, ok := r.Deadline(); ok {
		until = at
	}
	if len(inc.slots) > 0 || !inc.newest() {
		// Busy in another slot; or a leftover that cannot be relied on, nor
		// told for sure from what replaced it.
		return Wait{Until: until}
	}
	others := 0
	for worker, asked := range p.idle {
		if worker != inc.worker && asked+r.policy.TTL > r.now {
			others++
		}
	}
	if !p.due || others < r.keep(p) {
		p.idle[inc.worker] = r.now
		return Wait{Until: until}
	}
	delete(p.idle, inc.worker)
	return Leave{}
}

// keep is how many idle workers the pool needs.
func (r *Run) keep(p *poolState) int {
	n := int(p.counts[waiting])
	if p.counts[leased]+p.counts[running] > 0 {
		n += max(1, r.policy.Spares)
	}
	return max(1, n)
}

// stepGateAsked answers the gate. A failed run comes first: were the gate to
// succeed, KFP would keep it, and what hangs on it, on `:retry`.
func (r *Run) stepGateAsked(ev GateAsked) (Answer, error) {
	p, err := r.pool(ev.Pool)
	if err != nil {
		return nil, err
	}
	if ev.RetryIndex < 0 || ev.RetryIndex >= maxRetry {
		return nil, fmt.Errorf("%w: retry_index: %d is out of range", ErrInvalid, ev.RetryIndex)
	}
	if ev.Incarnation != "" && ev.Incarnation != p.gatePod {
		if !printable(ev.Incarnation, 128) {
			return nil, fmt.Errorf("%w: incarnation_id: must be one short line", ErrInvalid)
		}
		if r.over() && (r.closed || ev.RetryIndex < p.gateIndex) {
			r.reopen(fmt.Sprintf("the gate of %s was made anew by :retry", p.def.name))
		}
		r.emit(GateJoined{Stamp: r.stamp(), Pool: ev.Pool, Incarnation: ev.Incarnation, RetryIndex: ev.RetryIndex})
	}
	switch {
	case r.over():
		return Ended{State: r.state, Reason: r.reason}, nil
	case r.drained(p):
		return Drained{Lists: r.lists(p)}, nil
	default:
		return Wait{}, nil
	}
}

func (r *Run) applyGateJoined(rec GateJoined) error {
	p, err := r.pool(rec.Pool)
	if err != nil {
		return err
	}
	p.gatePod, p.gateIndex = rec.Incarnation, rec.RetryIndex
	return nil
}

// silentSince is since when a pool has had runnable tasks and nobody to run
// them: no lease, and no worker that joined or asked lately.
func (r *Run) silentSince(p *poolState) (Millis, bool) {
	if r.state != RunRunning || p.counts[waiting] == 0 || !p.def.gang && p.counts[leased]+p.counts[running] > 0 {
		return 0, false
	}
	if !p.due {
		return 0, false // KFP has not started it yet
	}
	if p.def.gang {
		return r.shortSince(p)
	}
	since := max(p.runnableSince, p.dueSince)
	if len(p.workers) == 0 {
		return since, true
	}
	return max(since, p.seen), true
}

// startDeadline is when a silent pool fails the run.
func (r *Run) startDeadline(p *poolState) (Millis, bool) {
	since, silent := r.silentSince(p)
	if !silent || r.policy.StartTimeout <= 0 {
		return 0, false
	}
	return max(since+r.policy.StartTimeout, r.quietUntil), true
}

// checkStart fails a run whose workers never come, or have all gone.
func (r *Run) checkStart() {
	for _, p := range r.pools {
		at, ok := r.startDeadline(p)
		if !ok || at > r.now {
			continue
		}
		since, _ := r.silentSince(p)
		r.end(RunFailed, fmt.Sprintf("%s for %s (start timeout %s): see the pods of %s in KFP",
			r.startedOf(p), seconds(r.now-since), seconds(r.policy.StartTimeout), p.def.name))
		return
	}
}

// startedOf says "0 of 8 workers of train started".
func (r *Run) startedOf(p *poolState) string {
	if p.def.gang && len(p.workers) > 0 {
		return r.shortOf(p)
	}
	if len(p.workers) > 0 {
		return fmt.Sprintf("%d of %d workers of %s started, and none is heard of", len(p.workers), r.expectedWorkers(p), p.def.name)
	}
	return fmt.Sprintf("0 of %d workers of %s started", r.expectedWorkers(p), p.def.name)
}

func seconds(m Millis) string { return fmt.Sprintf("%d s", m/1000) }
