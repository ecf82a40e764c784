package schedule

import "fmt"

// Step takes one event. On success it returns the answer for the asker, to be
// sent once the records are durable (there may be none), and has applied
// them. On an error nothing has changed and there is no record. Time that
// runs backwards is taken as standing still.
//
// What answers what:
//
//	RunOpened, Left, WorkerGone, Released, Cancelled, Finished, Tick, Restarted -> Done
//	Joined         -> JoinAnswer
//	LeaseAsked     -> Grant | Wait | Leave | Drained | Ended
//	AttemptStarted -> StartAnswer | Ended (no attempt may be started any more,
//	                  or none under this id: for the launcher the lease is lost,
//	                  ABORTED; it asks for the next and is told whether it
//	                  exits 1)
//	Reported       -> ReportAnswer
//	Renewed        -> RenewAnswer
//	GateAsked      -> Wait | Drained | Ended
//	VerifyAsked    -> VerifyAnswer
func (r *Run) Step(now Millis, ev Event) (Answer, []Record, error) {
	r.now = max(r.now, now)
	r.out = nil
	answer, err := r.step(ev)
	if err != nil {
		return nil, nil, fmt.Errorf("schedule: %T: %w", ev, err)
	}
	r.settle()
	return answer, r.out, nil
}

func (r *Run) step(ev Event) (Answer, error) {
	if open, ok := ev.(RunOpened); ok {
		return r.stepRunOpened(open)
	}
	if r.graph == nil {
		return nil, fmt.Errorf("%w: the run was never opened", ErrUnknown)
	}
	switch ev := ev.(type) {
	case Joined:
		return r.stepJoined(ev)
	case Left:
		return r.stepGone(ev.Incarnation, "said goodbye", false)
	case WorkerGone:
		return r.stepGone(ev.Incarnation, "its process has ended", true)
	case LeaseAsked:
		return r.stepLeaseAsked(ev)
	case Renewed:
		return r.stepRenewed(ev)
	case Released:
		return r.stepReleased(ev)
	case AttemptStarted:
		return r.stepAttemptStarted(ev)
	case Reported:
		return r.stepReported(ev)
	case GateAsked:
		return r.stepGateAsked(ev)
	case VerifyAsked:
		return VerifyAnswer{State: r.state, Reason: r.verdict()}, nil
	case Cancelled:
		return r.stepCancelled(ev)
	case Finished:
		return r.stepFinished(ev)
	case Tick:
		return r.stepTick()
	case Restarted:
		return r.stepRestarted()
	default:
		return nil, fmt.Errorf("%w: event", ErrInvalid)
	}
}

// emit decides: the record is applied at once, so that what follows in the
// same step sees it.
func (r *Run) emit(rec Record) {
	if err := r.Apply(rec); err != nil {
		panic(err) // a bug of this package: it decided what cannot be
	}
	r.out = append(r.out, rec)
}

func (r *Run) stamp() Stamp { return Stamp{At: r.now} }

// stepTick lets time pass.
func (r *Run) stepTick() (Answer, error) {
	r.promote()
	r.expire()
	r.checkStart()
	return Done{}, nil
}

// stepRestarted gives the clients time: renewals are not recorded, so each
// live lease counts as renewed just now.
func (r *Run) stepRestarted() (Answer, error) {
	r.quietUntil = r.now + r.policy.TTL + r.policy.ClientBackoff
	for _, t := range r.leases {
		t.live().lease.renewed = r.now
	}
	return Done{}, nil
}

// Deadline is when a Tick is next needed; false when only events matter.
func (r *Run) Deadline() (Millis, bool) {
	var at Millis
	found := false
	earlier := func(m Millis) {
		if !found || m < at {
			at, found = m, true
		}
	}
	if len(r.delays) > 0 {
		earlier(r.delays[0].at)
	}
	for len(r.expires) > 0 {
		if _, live := r.leases[r.expires[0].token]; live {
			break
		}
		r.expires.drop() // its task has ended long ago
	}
	if len(r.expires) > 0 {
		earlier(max(r.expires[0].at, r.quietUntil))
	}
	for _, p := range r.pools {
		if m, ok := r.startDeadline(p); ok {
			earlier(m)
		}
	}
	return at, found
}
