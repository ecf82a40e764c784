package dispatch

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/schedule"
)

// tickPause keeps a core that asks for a tick at once, again and again, from
// turning the loop into a busy one.
const tickPause = schedule.Millis(10)

// Run is the loop. It returns when ctx ends; whoever still waits is answered
// ErrStopped.
func (d *Dispatcher) Run(ctx context.Context) {
	defer close(d.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if len(d.timers) > 0 {
			timer.Reset(d.clock.until(d.timers[0].wake))
		} else {
			timer.Reset(time.Hour)
		}
		var first *request
		select {
		case <-ctx.Done():
			return
		case first = <-d.requests:
		case <-timer.C:
		}
		began := time.Now()
		d.round(ctx, first)
		if took := time.Since(began); took > millis(d.cfg.Policy.RenewEvery) {
			d.stalled(took)
		}
	}
}

// round takes what is queued, lets time pass, records, and answers.
func (d *Dispatcher) round(ctx context.Context, first *request) {
	// A round under way ends as it would without the stop.
	ctx = context.WithoutCancel(ctx)
	b := &round{d: d, ctx: ctx, now: d.clock.now()}
	taken := 0
	for req := first; req != nil; {
		b.take(req)
		req = nil
		if taken++; taken < d.cfg.MaxBatch {
			select {
			case req = <-d.requests:
			default:
			}
		}
	}
	b.tick()
	b.askAgain()
	b.commit()
	b.reply()
	for _, r := range b.touched {
		r.touched = false
		d.rearm(r)
	}
	d.stats.Rounds.Add(1)
}

// stalled gives every lease grace: while the loop stood still no renewal was
// heard.
func (d *Dispatcher) stalled(took time.Duration) {
	d.cfg.Logger.Warn("the loop stood still; leases get the grace of a restart", "took", took.Round(time.Millisecond))
	for _, r := range d.runs {
		r.grace = true
	}
}

// rearm sets the run's timer to the first moment at which time alone asks for
// something.
func (d *Dispatcher) rearm(r *run) {
	if d.runs[r.id] != r {
		return
	}
	r.wake = never
	switch {
	case r.core == nil:
		if r.live || len(r.parked) > 0 {
			r.wake = r.retryAt
		} else if r.failures == 0 || d.clock.now() >= r.retryAt {
			d.forget(r)
			return
		} else {
			r.wake = r.retryAt
		}
	default:
		if at, ok := r.core.Deadline(); ok {
			r.wake = max(at, d.clock.last+tickPause)
		}
		for _, req := range r.parked {
			r.wake = min(r.wake, req.deadline)
			if req.until > 0 {
				r.wake = min(r.wake, max(req.until, d.clock.last+tickPause))
			}
		}
		if !r.live && len(r.parked) == 0 {
			r.wake = min(r.wake, r.used+idleFor)
		}
		if r.grace {
			r.wake = min(r.wake, d.clock.last)
		}
	}
	d.timers.set(r)
}

func millis(m schedule.Millis) time.Duration { return time.Duration(m) * time.Millisecond }
