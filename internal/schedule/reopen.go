package schedule

import "fmt"

// reopen takes `:retry`: failed tasks go on with their next attempt and a
// fresh budget. When one cannot, the run stays as it is and the reason is
// returned: re-opening would only fail again, later.
func (r *Run) reopen(why string) (refused string) {
	for _, t := range r.stopped {
		used := len(t.live().attempts)
		if t.g.gang != nil {
			used = t.g.gang.used()
		}
		if p := r.next(t.node(), used, used, 0, 0); p.giveUp {
			id := t.taskID()
			return fmt.Sprintf("the run cannot be retried, task %s/%s has no attempt left: %s", id.Step, id.Task, p.why)
		}
	}
	r.emit(RunReopened{Stamp: r.stamp(), Reason: why})
	if r.complete() {
		r.end(RunSucceeded, "")
	}
	return ""
}

func (r *Run) applyRunReopened() error {
	if !r.over() {
		return fmt.Errorf("run is %s and cannot be re-opened", r.state)
	}
	r.state, r.reason, r.endedAt, r.closed = RunRunning, "", 0, false
	for _, p := range r.pools {
		p.exit = -1
		p.runnableSince = max(p.runnableSince, r.now)
		clear(p.idle)
		for _, g := range p.gangs {
			r.reopenGang(g)
		}
	}
	r.settling = nil
	for _, t := range r.stopped {
		if t.g.gang != nil {
			continue
		}
		k := t.live()
		k.base, k.verdict = len(k.attempts), ""
		r.again(t, 0)
	}
	r.stopped = nil
	return nil
}
