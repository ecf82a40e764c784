package schedule

import "fmt"

// stepAttemptStarted consumes an attempt number. Told twice under one lease
// it answers the same number.
func (r *Run) stepAttemptStarted(ev AttemptStarted) (Answer, error) {
	t, l, err := r.holds(ev.Task, ev.Token, ev.Incarnation)
	if err != nil {
		return nil, err
	}
	l.inc.pool.seen = r.now
	if g := t.g.gang; g != nil && g.broken != "" && !r.over() {
		return nil, fmt.Errorf("%w: %s: the whole gang runs again", ErrStale, g.broken)
	}
	plan := r.plan(t)
	if l.started >= 0 {
		return StartAnswer{Attempt: l.started, MaxUserCodeRetries: plan.maxUserCodeRetries}, nil
	}
	if r.over() {
		return Ended{State: r.state, Reason: r.reason, ExitFailed: l.inc.exits()}, nil
	}
	// Only now, not at the loss: this worker could have adopted.
	if plan.giveUp {
		r.giveUp(t, l, plan.why)
		return Ended{State: r.state, Reason: r.reason, ExitFailed: l.inc.exits()}, nil
	}
	if plan.goesOn && t.g.gang == nil {
		r.leaveBehind(t, l)
		return Ended{State: r.state, Reason: fmt.Sprintf("%s/%s goes on as %s", ev.Task.Step, ev.Task.Task, t.id())}, nil
	}
	r.emit(AttemptBegun{Stamp: r.stamp(), Task: ev.Task, Token: ev.Token, Attempt: plan.number})
	return StartAnswer{Attempt: plan.number, MaxUserCodeRetries: plan.maxUserCodeRetries}, nil
}

func (r *Run) applyAttemptBegun(rec AttemptBegun) error {
	t, l, err := r.leased(rec.Task, rec.Token)
	if err != nil {
		return err
	}
	k := t.live()
	if want := t.nextNumber(); l.started >= 0 || !t.node().parameters && rec.Attempt != want || t.node().parameters && rec.Attempt != 0 {
		return fmt.Errorf("task %s/%s begins attempt %d after %d attempts", rec.Task.Step, rec.Task.Task, rec.Attempt, want)
	}
	l.started = rec.Attempt
	k.attempts = append(k.attempts, attempt{
		number: rec.Attempt, worker: int32(l.inc.worker), token: rec.Token, started: rec.At,
	})
	if t.g.gang != nil {
		t.g.gang.begun = true
	}
	r.setState(t, running)
	return nil
}

// failedBeforeStart takes a failure of a lease that began no attempt. What no
// further attempt could mend consumes one, so that the failure has a place;
// infrastructure trouble costs nothing.
func (r *Run) failedBeforeStart(t ref, l *lease, ev Reported) (Answer, error) {
	if ev.Succeeded != nil {
		return nil, fmt.Errorf("%w: attempt: %d of %s/%s was never started", ErrInvalid, ev.Attempt, ev.Task.Step, ev.Task.Task)
	}
	plan := r.plan(t)
	member := t.g.gang != nil && (plan.giveUp || plan.goesOn || t.g.gang.broken != "") // the verdict is on the round
	switch {
	case ev.Failed.Class == Infrastructure || ev.Failed.Class == CancelledClass || member:
		reason := clip("worker " + l.inc.name() + " gave the task back: " + ev.Failed.Reason)
		r.emit(LeaseEnded{Stamp: r.stamp(), Task: ev.Task, Token: ev.Token, Reason: reason, NotBefore: r.now + r.policy.InfrastructureDelay})
	case plan.giveUp:
		r.giveUp(t, l, clip(ev.Failed.Reason)+"; "+plan.why)
	case plan.goesOn:
		r.leaveBehind(t, l)
	default:
		r.emit(AttemptBegun{Stamp: r.stamp(), Task: ev.Task, Token: ev.Token, Attempt: plan.number})
		ev.Attempt = plan.number
		return r.fail(t, l, ev), nil
	}
	return ReportAnswer{Failed: ev.Failed, Retry: !r.over(), ExitFailed: r.over() && l.inc.exits()}, nil
}

// giveUp fails a task that has no attempt left to start, and the run with it.
func (r *Run) giveUp(t ref, l *lease, why string) {
	id, k := t.taskID(), t.live()
	if last := len(k.attempts) - 1; why == "" && last >= 0 && k.attempts[last].failure != nil {
		why = k.attempts[last].failure.Reason // its user never asked for a retry
	}
	r.emit(TaskGivenUp{Stamp: r.stamp(), Task: id, Token: l.token, Reason: why})
	if r.over() {
		r.chooseExit(l.inc)
		return
	}
	r.failRun(l.inc, fmt.Sprintf("task %s/%s failed: %s", id.Step, id.Task, why))
}

func (r *Run) applyTaskGivenUp(rec TaskGivenUp) error {
	t, _, err := r.leased(rec.Task, rec.Token)
	if err != nil {
		return err
	}
	k := t.live()
	r.endLease(k)
	k.verdict = rec.Reason
	r.setState(t, failed)
	r.stopped = append(r.stopped, t)
	return nil
}
