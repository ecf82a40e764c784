package schedule

import "fmt"

// reopen takes `:retry`: failed tasks go on with their next attempt, or under a
// new id when Metaflow has no number left, and a fresh budget.
func (r *Run) reopen(why string) {
	r.emit(RunReopened{Stamp: r.stamp(), Reason: why})
	if r.complete() {
		r.end(RunSucceeded, "")
	}
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
