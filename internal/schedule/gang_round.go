package schedule

import (
	"fmt"
	"slices"
)

// memberEnds takes the end of a member's lease into its gang: it succeeded
// (why is empty), or the round is broken.
func (r *Run) memberEnds(t ref, why string, infrastructure bool) {
	g := t.g.gang
	g.held--
	switch {
	case why == "":
		g.good++
	case g.broken == "":
		g.broken, g.by, g.lost = fmt.Sprintf("rank %d of the gang %s", t.i, why), t.i, infrastructure
		r.notices++
	case infrastructure:
		g.lost = true
	}
	if g.held == 0 && g.broken != "" {
		r.settling = append(r.settling, g)
	}
}

// memberFailed breaks the round. Nobody is to blame for having been told to
// end; who ends so unasked has lost its way.
func (r *Run) memberFailed(t ref, f Failure) {
	g := t.g.gang
	infrastructure := f.Class == Infrastructure || f.Class == CancelledClass && g.broken == ""
	if f.OutOfMemory {
		infrastructure, g.starves = !g.starved, true
	}
	r.memberEnds(t, "failed: "+f.Reason, infrastructure)
}

// memberLost breaks the round. A lease that was given back because the round
// was broken already is no loss; one that began an attempt and never said how
// it ended is.
func (r *Run) memberLost(t ref, rec LeaseEnded, began bool) {
	g := t.g.gang
	infrastructure := began || g.broken == ""
	if rec.OutOfMemory {
		infrastructure, g.starves = !g.starved, true
	}
	r.memberEnds(t, "is lost: "+rec.Reason, infrastructure)
}

// giveBack ends the lease of a member whose worker asks for another task while
// its round is ending.
func (r *Run) giveBack(t ref) {
	l := t.live().lease
	notBefore := r.now
	if l.started >= 0 {
		notBefore = max(notBefore, r.expiry(l))
	}
	r.emit(LeaseEnded{
		Stamp: r.stamp(), Task: t.taskID(), Token: l.token, NotBefore: notBefore,
		Reason: clip("worker " + l.inc.name() + " asks for another task; " + t.g.gang.broken),
	})
	r.settle()
}

// memberSucceeded: the members' success counts when the last of them has it.
// Until then none of it reaches the join.
func (r *Run) memberSucceeded(t ref) error {
	g := t.g.gang
	r.memberEnds(t, "", false)
	if g.broken != "" || g.good < g.g.width {
		return nil
	}
	n := t.node()
	p := r.pools[n.pool.index]
	p.finished(g)
	for rank := range g.g.width {
		if err := r.arrive(ref{g.g, rank}, n.next[0]); err != nil {
			return err
		}
	}
	for rank := range g.g.width {
		ref{g.g, rank}.compact()
	}
	r.tryClose(n)
	return nil
}

// finished takes a gang off the unfinished ones. It is near the front: those
// before it are few, they run or wait for their turn.
func (p *poolState) finished(g *gang) {
	i := slices.Index(p.gangs, g)
	copy(p.gangs[1:i+1], p.gangs[:i])
	p.gangs[0] = nil
	p.gangs = p.gangs[1:]
}

// settle gives the verdict on the rounds whose last lease has ended. A run
// that is over leaves them to its re-opening.
func (r *Run) settle() {
	for len(r.settling) > 0 && !r.over() {
		r.settleRound(r.settling[0])
	}
}

func (r *Run) settleRound(g *gang) {
	t := ref{g.g, g.by}
	rec := RoundEnded{
		Stamp: r.stamp(), Task: t.taskID(), Round: g.round, Reason: g.broken, Retry: true, NotBefore: max(r.now, g.notBefore),
	}
	number, user, infrastructure := g.number, g.user, g.infrastructure
	if g.begun {
		number++
	}
	delay := r.policy.InfrastructureDelay
	switch {
	case g.forgiven || !g.begun:
	case g.lost:
		infrastructure++
		rec.Charged = Infrastructure
	default:
		user++
		rec.Charged = User
		delay = Millis(t.node().retry.DelaySeconds) * 1000
	}
	p := r.next(t.node(), number, user, infrastructure)
	if p.giveUp {
		rec.Retry, rec.NotBefore, rec.Verdict = false, 0, p.why
	} else {
		rec.NotBefore = max(rec.NotBefore, r.now+delay)
	}
	r.emit(rec)
	if p.giveUp {
		r.failGang(g, rec)
	}
}

// failGang ends the run. Every worker of the pool exits 1, so none is chosen.
func (r *Run) failGang(g *gang, rec RoundEnded) {
	reason := fmt.Sprintf("task %s/%s failed: %s", rec.Task.Step, rec.Task.Task, rec.Reason)
	k := ref{g.g, g.by}.live()
	if last := len(k.attempts) - 1; last >= 0 && k.attempts[last].number == g.number && k.attempts[last].failure != nil {
		a := k.attempts[last]
		reason = fmt.Sprintf("task %s/%s, attempt %d failed: %s", rec.Task.Step, rec.Task.Task, a.number, a.failure.Reason)
	}
	if rec.Verdict != "" {
		reason += " (" + rec.Verdict + ")"
	}
	r.end(RunFailed, reason)
}

// applyRoundEnded puts every member back, also those that had succeeded, or
// fails the one that broke the round.
func (r *Run) applyRoundEnded(rec RoundEnded) error {
	t, err := r.find(rec.Task)
	if err != nil {
		return err
	}
	g := t.g.gang
	if g == nil || g.round != rec.Round || g.held != 0 || g.broken == "" {
		return fmt.Errorf("task %s/%s: round %d has not ended", rec.Task.Step, rec.Task.Task, rec.Round)
	}
	switch rec.Charged {
	case User:
		g.user++
	case Infrastructure:
		g.infrastructure++
	case "":
	case Final, CancelledClass:
		return fmt.Errorf("round %d of the %s is charged to %s", rec.Round, g, rec.Charged)
	default:
		return fmt.Errorf("round %d of the %s is charged to %q", rec.Round, g, clip(string(rec.Charged)))
	}
	for i, other := range r.settling {
		if other == g {
			r.settling = append(r.settling[:i:i], r.settling[i+1:]...)
			break
		}
	}
	if !rec.Retry {
		t.open().verdict = rec.Verdict
		r.setState(t, failed)
		r.stopped = append(r.stopped, t)
		return nil
	}
	r.nextRound(g, rec.NotBefore)
	return nil
}

// nextRound lets every member wait again.
func (r *Run) nextRound(g *gang, notBefore Millis) {
	if g.begun {
		g.number++
	}
	g.starved, g.starves = g.starved || g.starves, false
	g.begun, g.good, g.broken, g.lost, g.forgiven = false, 0, "", false, false
	g.g.cloned = nil
	g.notBefore, g.since = notBefore, r.now
	for rank := range g.g.width {
		t := ref{g.g, rank}
		if k := t.live(); k != nil {
			k.verdict = ""
		}
		r.setState(t, waiting)
	}
}

// reopenGang takes `:retry`. A round that nothing has broken goes on; one that
// is ending does so without a charge.
func (r *Run) reopenGang(g *gang) {
	g.user, g.infrastructure = 0, 0
	switch {
	case g.held > 0 && g.broken == "": // goes on
	case g.held > 0:
		g.forgiven = true
		for rank := range g.g.width {
			if t := (ref{g.g, rank}); t.state() == failed || t.state() == cancelled {
				r.setState(t, waiting)
			}
		}
	default:
		r.nextRound(g, g.notBefore)
	}
}

// used is how many attempt numbers are gone.
func (g *gang) used() int {
	if g.begun {
		return g.number + 1
	}
	return g.number
}

// planMember says what may follow for a member: the round's number, by the
// gang's budget.
func (r *Run) planMember(t ref) plan {
	g := t.g.gang
	return r.next(t.node(), g.number, g.user, g.infrastructure)
}
