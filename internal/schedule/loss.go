package schedule

import (
	"fmt"
	"slices"
)

// stepRenewed lengthens a lease. A renewal that comes after the lease could
// have expired, but before it did, is as good as any.
func (r *Run) stepRenewed(ev Renewed) (Answer, error) {
	t, l, err := r.holds(ev.Task, ev.Token, ev.Incarnation)
	if err != nil {
		return nil, err
	}
	l.renewed = r.now
	if ev.LimitBytes > 0 && ev.UsedBytes >= 0 {
		l.memory = memorySample{used: ev.UsedBytes, limit: ev.LimitBytes, at: r.now}
	}
	l.inc.pool.seen = r.now
	return RenewAnswer{TTL: r.policy.TTL, Cancel: r.notice(t)}, nil
}

// stepReleased takes a task back. Without word that the child is gone the
// lessee may still write for a while.
func (r *Run) stepReleased(ev Released) (Answer, error) {
	t, l, err := r.holds(ev.Task, ev.Token, ev.Incarnation)
	if err != nil {
		return nil, err
	}
	notBefore := max(r.now, r.expiry(l))
	if ev.ChildGone {
		notBefore = r.now + r.lossDelay(t, false)
	}
	r.emit(LeaseEnded{
		Stamp: r.stamp(), Task: ev.Task, Token: ev.Token, NotBefore: notBefore,
		Reason: clip("worker " + l.inc.name() + " gave the task back: " + ev.Reason),
	})
	return Done{}, nil
}

func (r *Run) applyLeaseEnded(rec LeaseEnded) error {
	t, l, err := r.leased(rec.Task, rec.Token)
	if err != nil {
		return err
	}
	k := t.live()
	if l.started >= 0 {
		a := &k.attempts[len(k.attempts)-1]
		a.outcome, a.ended = attemptLost, rec.At
		a.failure = &Failure{Class: Infrastructure, Reason: rec.Reason, OutOfMemory: rec.OutOfMemory}
	}
	began := l.started >= 0
	r.endLease(k)
	if t.g.gang != nil {
		r.memberLost(t, rec, began)
	}
	r.again(t, rec.NotBefore)
	return nil
}

// expire ends the leases that were not renewed. An alarm is set once per
// lease and moved on when it rings too early, so a renewal costs nothing.
func (r *Run) expire() {
	if r.now < r.quietUntil {
		return
	}
	for {
		a, ok := r.expires.due(r.now)
		if !ok {
			return
		}
		t, live := r.leases[a.token]
		if !live {
			continue
		}
		l := t.live().lease
		if at := r.expiry(l); at > r.now {
			r.expires.set(alarm{at: at, token: a.token, task: t})
			continue
		}
		r.lose(t, fmt.Sprintf("no renewal for %s", seconds(r.now-l.renewed)), true)
	}
}

// lose ends the lease of a worker that is lost. Where it may have been killed,
// its last memory sample may say why.
func (r *Run) lose(t ref, proof string, killed bool) {
	l := t.live().lease
	rec := LeaseEnded{
		Stamp: r.stamp(), Task: t.taskID(), Token: l.token,
		Reason: fmt.Sprintf("worker %s lost: %s", l.inc.name(), proof),
	}
	if killed && l.started >= 0 && l.memory.full() {
		rec.OutOfMemory = true
		rec.Reason += "; probably out of memory, " + l.memory.text(r.now)
	}
	rec.NotBefore = r.now + r.lossDelay(t, rec.OutOfMemory)
	r.emit(rec)
}

// lossDelay is the pause after a lost lease: none when nothing was started.
func (r *Run) lossDelay(t ref, outOfMemory bool) Millis {
	k := t.live()
	if k.lease.started < 0 {
		return 0
	}
	if t.g.gang != nil {
		return r.policy.InfrastructureDelay // the round has a delay of its own
	}
	last := len(k.attempts) - 1
	attempts := slices.Clone(k.attempts)
	attempts[last].outcome = attemptLost
	attempts[last].failure = &Failure{Class: Infrastructure, OutOfMemory: outOfMemory}
	before, _ := tally(attempts[:last], k.base)
	user, _ := tally(attempts, k.base)
	return r.retryDelay(t.node(), user > before)
}

// memorySample is what a worker said about its memory with a renewal. It is
// not recorded; what is concluded from it is.
type memorySample struct {
	used, limit int64
	at          Millis
}

// full: the kernel ends a process at 100 %, between two samples.
func (m memorySample) full() bool { return m.limit > 0 && m.used >= m.limit/10*9 }

// text says "97 % of 8.0 GiB 0.6 s before".
func (m memorySample) text(now Millis) string {
	const mebi, gibi = 1 << 20, 1 << 30
	limit := fmt.Sprintf("%.1f GiB", float64(m.limit)/gibi)
	if m.limit < gibi {
		limit = fmt.Sprintf("%.0f MiB", float64(m.limit)/mebi)
	}
	return fmt.Sprintf("%.0f %% of %s %.1f s before", float64(m.used)/float64(m.limit)*100, limit, float64(now-m.at)/1000)
}
