package schedule

import "fmt"

// stepReported records an outcome and ends the lease.
func (r *Run) stepReported(ev Reported) (Answer, error) {
	if err := checkReport(ev); err != nil {
		return nil, err
	}
	t, err := r.find(ev.Task)
	if err != nil {
		return nil, err
	}
	if answer, ok := r.recorded(t, ev.Attempt, ev.Token); ok {
		return answer, nil
	}
	t, l, err := r.holds(ev.Task, ev.Token, ev.Incarnation)
	if err != nil {
		return nil, err
	}
	l.inc.pool.seen = r.now
	switch lost := t.adoptable(); {
	case ev.Adopted && (l.started >= 0 || lost == nil || lost.number != ev.Attempt):
		return nil, fmt.Errorf("%w: attempt: %d of %s/%s is not there to be adopted", ErrInvalid, ev.Attempt, ev.Task.Step, ev.Task.Task)
	case !ev.Adopted && l.started < 0:
		return r.failedBeforeStart(t, l, ev)
	case !ev.Adopted && l.started != ev.Attempt:
		return nil, fmt.Errorf("%w: attempt: %d, this lease began %d", ErrInvalid, ev.Attempt, l.started)
	}
	if ev.Cloned && r.cloneFrom(t) == "" {
		return nil, fmt.Errorf("%w: cloned: %s/%s was not to be taken over from another run", ErrInvalid, ev.Task.Step, ev.Task.Task)
	}
	if ev.Succeeded != nil {
		why := r.checkTransition(t, *ev.Succeeded)
		if why == "" {
			return r.succeed(t, ev), nil
		}
		ev.Failed = &Failure{Class: Final, Reason: why}
	}
	return r.fail(t, l, ev), nil
}

func checkReport(ev Reported) error {
	switch {
	case (ev.Succeeded == nil) == (ev.Failed == nil):
		return fmt.Errorf("%w: outcome: exactly one of succeeded and failed must be set", ErrInvalid)
	case ev.Failed == nil:
		return nil
	case ev.Cloned:
		return fmt.Errorf("%w: cloned: only what succeeded is taken over", ErrInvalid)
	}
	switch ev.Failed.Class {
	case User, Infrastructure, Final, CancelledClass:
		return nil
	default:
		return fmt.Errorf("%w: failed.class: %q is unknown", ErrInvalid, clip(string(ev.Failed.Class)))
	}
}

func (r *Run) succeed(t ref, ev Reported) Answer {
	tr := *ev.Succeeded
	if t.node().parameters {
		tr.Next = names(t.node().next)
	}
	r.emit(AttemptSucceeded{
		Stamp: r.stamp(), Task: ev.Task, Token: ev.Token, Attempt: ev.Attempt, Transition: tr, Adopted: ev.Adopted, Cloned: ev.Cloned,
	})
	if r.state == RunRunning && r.complete() {
		r.end(RunSucceeded, "")
	}
	return ReportAnswer{Succeeded: &tr}
}

func (r *Run) applyAttemptSucceeded(rec AttemptSucceeded) error {
	t, l, err := r.leased(rec.Task, rec.Token)
	if err != nil {
		return err
	}
	k := t.live()
	a, err := k.ending(l, rec.Attempt, rec.Adopted)
	if err != nil {
		return fmt.Errorf("task %s/%s: %w", rec.Task.Step, rec.Task.Task, err)
	}
	a.outcome, a.adopted, a.token, a.ended, a.failure = attemptSucceeded, rec.Adopted, rec.Token, rec.At, nil
	a.reporter = int32(l.inc.worker)
	r.endLease(k)
	r.setState(t, succeeded)
	if rec.Cloned {
		t.g.cloned = setAt(t.g.cloned, t.i, true, t.g.width)
	}
	if t.g.gang != nil {
		return r.memberSucceeded(t)
	}
	t.compact()
	return r.handOnFrom(t, rec.Transition)
}

func (r *Run) fail(t ref, l *lease, ev Reported) Answer {
	f := *ev.Failed
	f.Reason = clip(f.Reason)
	rec := AttemptFailed{
		Stamp: r.stamp(), Task: ev.Task, Token: ev.Token, Attempt: ev.Attempt, Failure: f, Adopted: ev.Adopted,
	}
	rec.Retry, rec.NotBefore, rec.Verdict = r.afterFailure(t, f)
	r.emit(rec)
	r.settle()
	switch {
	case rec.Retry:
	case r.over():
		r.chooseExit(l.inc)
	default:
		reason := fmt.Sprintf("task %s/%s, attempt %d failed: %s", ev.Task.Step, ev.Task.Task, ev.Attempt, f.Reason)
		if rec.Verdict != "" {
			reason += " (" + rec.Verdict + ")"
		}
		r.failRun(l.inc, reason)
	}
	again := rec.Retry && (t.g.gang == nil || !r.over())
	return ReportAnswer{Failed: &f, Retry: again, ExitFailed: r.over() && l.inc.exits()}
}

func (r *Run) applyAttemptFailed(rec AttemptFailed) error {
	t, l, err := r.leased(rec.Task, rec.Token)
	if err != nil {
		return err
	}
	k := t.live()
	a, err := k.ending(l, rec.Attempt, rec.Adopted)
	if err != nil {
		return fmt.Errorf("task %s/%s: %w", rec.Task.Step, rec.Task.Task, err)
	}
	f := rec.Failure
	a.outcome, a.adopted, a.token, a.ended, a.failure, a.retry = attemptFailed, rec.Adopted, rec.Token, rec.At, &f, rec.Retry
	a.reporter = int32(l.inc.worker)
	to := failed
	if f.Class == CancelledClass {
		a.outcome, to = attemptCancelled, cancelled
	}
	r.endLease(k)
	if t.g.gang != nil {
		r.memberFailed(t, f)
	}
	if rec.Retry {
		r.again(t, rec.NotBefore)
		return nil
	}
	k.verdict = rec.Verdict
	r.setState(t, to)
	r.stopped = append(r.stopped, t)
	return nil
}

// ending returns the attempt whose outcome comes: the one begun under the
// lease, or the lost one that the lessee adopts.
func (k *task) ending(l *lease, number int, adopted bool) (*attempt, error) {
	if adopted {
		if a := k.adoptable(); a != nil && a.number == number && l.started < 0 {
			return a, nil
		}
		return nil, fmt.Errorf("attempt %d is not there to be adopted", number)
	}
	if n := len(k.attempts); n > 0 && l.started == number && k.attempts[n-1].outcome == attemptRunning {
		return &k.attempts[n-1], nil
	}
	return nil, fmt.Errorf("attempt %d is not running", number)
}

// recorded answers a repeated report with what is on record.
func (r *Run) recorded(t ref, number int, token uint64) (Answer, bool) {
	k := t.live()
	if k == nil {
		if t.state() == succeeded && number == 0 && t.g.done[t.i].token == token {
			tr := r.transitionOf(t)
			return ReportAnswer{Succeeded: &tr}, true
		}
		return nil, false
	}
	for i := range k.attempts {
		a := &k.attempts[i]
		if a.number != number || a.token != token {
			continue
		}
		switch a.outcome {
		case attemptSucceeded:
			tr := r.transitionOf(t)
			return ReportAnswer{Succeeded: &tr}, true
		case attemptFailed, attemptCancelled:
			f := *a.failure
			p := r.pools[t.node().pool.index]
			exit := !a.retry && r.over() && p.exits(int(a.reporter))
			return ReportAnswer{Failed: &f, Retry: a.retry, ExitFailed: exit}, true
		case attemptRunning, attemptLost:
			return nil, false
		}
	}
	return nil, false
}
