package schedule

import (
	"fmt"
	"strings"
)

// end ends the run.
func (r *Run) end(state RunState, reason string) {
	r.emit(RunEnded{Stamp: r.stamp(), State: state, Reason: reason})
}

// failRun ends the run because of a task; the worker that recorded it shows
// KFP which step failed.
func (r *Run) failRun(inc *incarnation, reason string) {
	r.chooseExit(inc)
	r.end(RunFailed, reason)
}

// chooseExit picks the worker that exits 1 for its pool. `:retry` makes anew
// only what failed in KFP, so each pool with work left needs one, and one is
// enough: the first to speak up, in the failing pool the one that recorded the
// final failure. A process that KFP does not know any more is not chosen: its
// exit code would be lost, and with it the pool on `:retry`.
func (r *Run) chooseExit(inc *incarnation) {
	if inc.pool.exit < 0 && inc.newest() && !inc.pool.def.gang {
		r.emit(ExitChosen{Stamp: r.stamp(), Pool: inc.pool.def.name, Worker: inc.worker})
	}
}

// exits tells whether the incarnation exits 1 when the run is over.
func (inc *incarnation) exits() bool { return inc.pool.exits(inc.worker) }

// exits tells whether a worker exits 1 when the run is over. A gang needs all
// of its workers again, so all of a pool with an unfinished gang do.
func (p *poolState) exits(worker int) bool {
	if p.def.gang {
		return len(p.gangs) > 0
	}
	return p.exit == worker
}

func (r *Run) applyExitChosen(rec ExitChosen) error {
	p, err := r.pool(rec.Pool)
	if err != nil {
		return err
	}
	if p.exit >= 0 || p.workers[rec.Worker] == nil {
		return fmt.Errorf("worker %d of %s cannot be the one that exits 1, %d is", rec.Worker, rec.Pool, p.exit)
	}
	p.exit = rec.Worker
	return nil
}

func (r *Run) applyRunEnded(rec RunEnded) error {
	if r.state != RunRunning {
		return fmt.Errorf("run is %s already", r.state)
	}
	switch rec.State {
	case RunSucceeded, RunFailed, RunCancelled:
	case RunRunning:
		return fmt.Errorf("run_ended with state %s", rec.State)
	default:
		return fmt.Errorf("run_ended with unknown state %q", clip(string(rec.State)))
	}
	r.state, r.reason, r.endedAt = rec.State, rec.Reason, rec.At
	return nil
}

func (r *Run) stepCancelled(ev Cancelled) (Answer, error) {
	if r.state == RunRunning {
		reason := clip(ev.Reason)
		if reason == "" {
			reason = "cancelled"
		}
		r.end(RunCancelled, reason)
	}
	return Done{}, nil
}

// stepFinished takes the exit hook's word. KFP starts nothing of the flow any
// more, so a run that is not complete never will be, whatever KFP calls it:
// it also reports success when dependants were omitted.
func (r *Run) stepFinished(ev Finished) (Answer, error) {
	if !printable(ev.KFPState, 64) {
		return nil, fmt.Errorf("%w: kfp_state: must be one short word", ErrInvalid)
	}
	if r.closed {
		return Done{}, nil
	}
	message := clip(ev.Message)
	if r.state == RunRunning {
		reason := fmt.Sprintf("KFP ended the flow as %s before it was complete", ev.KFPState)
		if message != "" {
			reason += " (" + message + ")"
		}
		r.end(RunFailed, reason+": "+r.missing())
	}
	r.emit(RunClosed{Stamp: r.stamp(), KFPState: ev.KFPState, Message: message})
	return Done{}, nil
}

// verdict is the first failure, or what is still missing.
func (r *Run) verdict() string {
	if r.state == RunRunning {
		return r.missing()
	}
	return r.reason
}

// missing says what a running run still lacks; silence first.
func (r *Run) missing() string {
	var parts []string
	for _, p := range r.pools {
		if since, silent := r.silentSince(p); silent && r.now-since >= r.policy.TTL {
			parts = append(parts, fmt.Sprintf("%s for %s", r.startedOf(p), seconds(r.now-since)))
		}
	}
	for _, n := range r.graph.nodes {
		s := &r.steps[n.index]
		switch {
		case s.closed:
		case s.made == 0:
			parts = append(parts, fmt.Sprintf("step %s has not started", n.name))
		default:
			parts = append(parts, fmt.Sprintf("step %s: %d of %d tasks succeeded, %d running, %d waiting, %d failed", n.name,
				s.counts[succeeded], s.made, s.counts[leased]+s.counts[running], s.counts[waiting], s.counts[failed]+s.counts[cancelled]))
		}
		if len(parts) >= 8 {
			parts = append(parts, "and more")
			break
		}
	}
	return strings.Join(parts, "; ")
}
