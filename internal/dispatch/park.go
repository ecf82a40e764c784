package dispatch

import (
	"slices"

	"github.com/millrace/millrace/internal/schedule"
)

// maxParked bounds the askers held per run; more are told to wait at once and
// come back by themselves.
const maxParked = 10_000

// park holds an asker. An older question of the same slot is let go: its
// launcher has given up on it.
func (b *round) park(r *run, req *request, wait schedule.Wait) {
	if asked, ok := req.event.(schedule.LeaseAsked); ok {
		for i, other := range r.parked {
			o, ok := other.event.(schedule.LeaseAsked)
			if ok && o.Incarnation == asked.Incarnation && o.Slot == asked.Slot {
				r.parked = slices.Delete(r.parked, i, i+1)
				b.d.stats.Parked.Add(-1)
				b.answer(other, r, wait, nil)
				break
			}
		}
	}
	if len(r.parked) >= maxParked {
		b.answer(req, r, wait, nil)
		return
	}
	req.version, req.until = r.version, wait.Until
	req.deadline = b.now + schedule.Millis(b.d.cfg.LongPoll.Milliseconds())
	r.parked = append(r.parked, req)
	b.d.stats.Parked.Add(1)
}

// askAgain asks for the parked of every run of the round whose question may
// now have another answer. What one asking changes concerns those before it as
// well: the last worker that a gang lacked decides what all of its members are
// told. So they are asked until nothing changes any more; each turn that
// changes something lets somebody go, or ends a run.
func (b *round) askAgain() {
	for _, r := range b.touched {
		for changed := true; changed && r.core != nil && len(r.parked) > 0; {
			version := r.version
			b.askParked(r)
			changed = r.version != version
		}
	}
}

func (b *round) askParked(r *run) {
	before := len(r.parked)
	kept := r.parked[:0]
	for _, req := range r.parked {
		if b.keep(r, req) {
			kept = append(kept, req)
		}
	}
	clear(r.parked[len(kept):])
	r.parked = kept
	b.d.stats.Parked.Add(int64(len(kept) - before))
}

// keep asks for one parked asker if need be, and says whether it stays.
func (b *round) keep(r *run, req *request) bool {
	if req.ctx.Err() != nil {
		// Nobody listens any more: granting it a task would idle the task for
		// the life of a lease.
		return false
	}
	due := req.until > 0 && req.until <= b.now
	over := req.deadline <= b.now
	if req.version == r.version && !due && !over {
		return true
	}
	ans, err := b.step(r, req.event)
	if wait, ok := ans.(schedule.Wait); ok && err == nil && !over {
		req.version, req.until = r.version, wait.Until
		return true
	}
	b.answer(req, r, ans, err)
	return false
}

// refuse lets the parked of a run go that is not in memory.
func (b *round) refuse(r *run, err error) {
	b.d.stats.Parked.Add(-int64(len(r.parked)))
	for _, req := range r.parked {
		req.reply <- outcome{err: err}
	}
	r.parked = nil
}
