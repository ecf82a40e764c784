package schedule

import "fmt"

// lease is the right to run one task until it expires.
type lease struct {
	token uint64
	inc   *incarnation
	slot  int
	// started is the attempt begun under this lease, -1 before.
	started int
	// renewed is the last renewal. It is not recorded: after a restart it
	// counts as renewed just then.
	renewed Millis
	memory  memorySample
}

// expiry is when the next lease of the task may be granted without proof of
// the lessee's end: it trusts itself for TTL after its last good renewal, and
// a write it began then may take LongestWrite more.
func (r *Run) expiry(l *lease) Millis {
	return l.renewed + r.policy.TTL + r.policy.LongestWrite
}

// stepLeaseAsked gives out a task, or says why there is none.
func (r *Run) stepLeaseAsked(ev LeaseAsked) (Answer, error) {
	inc, err := r.alive(ev.Incarnation)
	if err != nil {
		return nil, err
	}
	if ev.Slot < 0 || ev.Slot >= maxSlots {
		return nil, fmt.Errorf("%w: slot: %d is not from 0 to %d", ErrInvalid, ev.Slot, maxSlots-1)
	}
	p := inc.pool
	p.seen = r.now
	if t, held := inc.slots[ev.Slot]; held && !r.over() {
		if g := t.g.gang; g == nil || g.broken == "" {
			// The launcher trusts its lease from the moment it sent this question,
			// not the first one, whose answer it may never have seen.
			t.live().lease.renewed = r.now
			return r.grantOf(t), nil
		}
		r.giveBack(t)
	}
	if r.drained(p) {
		return Drained{Lists: r.lists(p)}, nil
	}
	if r.poolClosed(p) && p.def.gated() {
		return Leave{}, nil // the lists are not final yet: the gate waits for them
	}
	if r.over() {
		r.chooseExit(inc)
		return Ended{State: r.state, Reason: r.reason, ExitFailed: inc.exits()}, nil
	}
	if p.def.gang {
		return r.askGang(inc, ev.Slot), nil
	}
	r.promote()
	t, ok := r.pick(p, ev.Prefer)
	if !ok {
		return r.idleAnswer(inc), nil
	}
	r.goOn(t)
	r.emit(LeaseGranted{Stamp: r.stamp(), Task: t.taskID(), Token: r.token + 1, Incarnation: inc.id, Slot: ev.Slot})
	return r.grantOf(t), nil
}

// pick finds the next task of a pool: the same split's next step, or the next
// iteration of its loop, when the worker has a preference and the pool serves
// it, else first in, first out.
func (r *Run) pick(p *poolState, prefer string) (ref, bool) {
	if prefer != "" && len(prefer) <= 256 {
		for _, n := range p.def.nodes {
			if t, ok := r.latest(n, rootID+"-"+prefer); ok && t.leasable(r.now) {
				return t, true
			}
		}
	}
	return p.queue.take(r.now)
}

func (r *Run) applyLeaseGranted(rec LeaseGranted) error {
	t, err := r.find(rec.Task)
	if err != nil {
		return err
	}
	inc, err := r.alive(rec.Incarnation)
	if err != nil {
		return err
	}
	_, busy := inc.slots[rec.Slot]
	switch {
	case t.state() != waiting || t.continuations() > 0 && t.taskID() != rec.Task:
		return fmt.Errorf("task %s/%s is leased while %s", rec.Task.Step, rec.Task.Task, t.state())
	case rec.Token <= r.token:
		return fmt.Errorf("token %d after %d", rec.Token, r.token)
	case busy || rec.Slot < 0 || rec.Slot >= maxSlots:
		return fmt.Errorf("slot %d of %s cannot take a lease", rec.Slot, inc.id)
	case t.node().pool != inc.pool.def:
		return fmt.Errorf("task %s/%s is not of pool %s", rec.Task.Step, rec.Task.Task, inc.pool.def.name)
	}
	k := t.open()
	k.lease = &lease{token: rec.Token, inc: inc, slot: rec.Slot, started: -1, renewed: rec.At}
	k.notBefore = 0
	if err := r.joinRound(t, k.lease, rec.Round); err != nil {
		return err
	}
	inc.slots[rec.Slot] = t
	r.token = rec.Token
	r.leases[rec.Token] = t
	r.setState(t, leased)
	delete(inc.pool.idle, inc.worker)
	inc.pool.seen = max(inc.pool.seen, rec.At)
	r.expires.set(alarm{at: r.expiry(k.lease), token: rec.Token, task: t})
	return nil
}

// grantOf describes the task that is leased.
func (r *Run) grantOf(t ref) Grant {
	k := t.live()
	g := Grant{Token: k.lease.token, Task: t.taskID(), Inputs: r.inputs(t), IndexPath: indexPath(t.place()), CloneFrom: r.cloneFrom(t)}
	if r.resume != nil {
		g.OriginRun = r.resume.OriginRun
	}
	if t.node().parameters {
		g.Parameters = true
		g.ParametersJSON = "{}"
		if r.parameters != nil {
			g.ParametersJSON = *r.parameters
		}
	}
	if t.node().bodyStart && (!t.node().loops || t.i == 0) {
		_, index, _ := cutSuffix(t.place(), "-")
		g.SplitIndex = &index
	}
	if t.g.gang != nil {
		g.Gang = t.g.gang.placeIn(t.i)
		rank := t.i
		g.SplitIndex = &rank
	} else if lost := k.adoptable(); lost != nil && k.lease.started < 0 {
		number := lost.number
		g.AdoptAttempt = &number
	}
	return g
}

// holds returns the task whose lease the caller holds.
func (r *Run) holds(id TaskID, token uint64, incarnation string) (ref, *lease, error) {
	t, err := r.find(id)
	if err != nil {
		return ref{}, nil, err
	}
	k := t.live()
	if k == nil || k.lease == nil || k.lease.token != token || k.lease.inc.id != incarnation || len(k.continued) > 0 && t.taskID() != id {
		return ref{}, nil, fmt.Errorf("%w: token %d is not that of %s/%s's lease", ErrStale, token, id.Step, id.Task)
	}
	return t, k.lease, nil
}

// leased returns the task that a token leases.
func (r *Run) leased(id TaskID, token uint64) (ref, *lease, error) {
	t, ok := r.leases[token]
	if !ok || t.taskID() != id {
		return ref{}, nil, fmt.Errorf("token %d does not lease %s/%s", token, clip(id.Step), clip(id.Task))
	}
	return t, t.live().lease, nil
}

func (r *Run) endLease(k *task) {
	l := k.lease
	l.inc.pool.seen = max(l.inc.pool.seen, l.renewed)
	delete(l.inc.slots, l.slot)
	delete(r.leases, l.token)
	k.lease = nil
}

// again lets a task wait for its next lease.
func (r *Run) again(t ref, notBefore Millis) {
	r.setState(t, waiting)
	if g := t.g.gang; g != nil {
		g.notBefore = max(g.notBefore, notBefore)
		return
	}
	k := t.open()
	k.notBefore = notBefore
	if notBefore > r.now {
		r.delays.set(alarm{at: notBefore, token: r.token, task: t})
		return
	}
	r.pools[t.node().pool.index].queue.putRetried(t)
}

// promote moves tasks whose delay has ended into the queues. Not recorded: it
// follows from the records and the clock.
func (r *Run) promote() {
	for {
		a, ok := r.delays.due(r.now)
		if !ok {
			return
		}
		if a.task.leasable(r.now) {
			r.pools[a.task.node().pool.index].queue.putRetried(a.task)
		}
	}
}
