package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

// round is one turn of the loop.
type round struct {
	d   *Dispatcher
	ctx context.Context
	now schedule.Millis
	// touched are the runs that saw an event, in order.
	touched []*run
	answers []answer
	views   []*request
}

// answer waits for the commit. run is nil when nothing of it depends on one.
type answer struct {
	req *request
	run *run
	outcome
}

// take feeds one request.
func (b *round) take(req *request) {
	b.d.stats.Events.Add(1)
	if req.ctx.Err() != nil {
		return
	}
	_, create := req.event.(schedule.RunOpened)
	r, err := b.d.get(b.ctx, req.runID, create)
	if err != nil {
		b.answer(req, nil, nil, err)
		return
	}
	b.touch(r)
	r.used = b.now
	switch {
	case req.view != nil:
		b.views = append(b.views, req)
	case req.podGone != "":
		for _, incarnation := range r.pods[req.podGone] {
			if _, err = b.step(r, schedule.WorkerGone{Incarnation: incarnation}); err != nil {
				break
			}
		}
		b.answer(req, r, schedule.Done{}, err)
	default:
		ans, err := b.step(r, req.event)
		if wait, ok := ans.(schedule.Wait); ok && err == nil && req.parkable {
			b.park(r, req, wait)
			return
		}
		b.answer(req, r, ans, err)
	}
}

// touch marks the run as part of the round; Restarted comes first when due.
func (b *round) touch(r *run) {
	if !r.touched {
		r.touched = true
		b.touched = append(b.touched, r)
	}
	if r.grace {
		r.grace = false
		if r.core.ID() != "" {
			if _, err := b.step(r, schedule.Restarted{}); err != nil {
				b.d.cfg.Logger.Error("the core refused to go on after a restart", "run", r.id, "error", err)
			}
		}
	}
}

// step calls the core and keeps its records for the commit. A core that
// panics takes only its run with it.
func (b *round) step(r *run, ev schedule.Event) (ans schedule.Answer, err error) {
	if r.broken != nil {
		return nil, r.broken
	}
	defer func() {
		if p := recover(); p != nil {
			r.broken = fmt.Errorf("%w: the core failed at %T: %v", errCore, ev, p)
			ans, err = nil, r.broken
			b.d.cfg.Logger.Error("panic in the core", "run", r.id, "event", fmt.Sprintf("%T", ev), "panic", p, "stack", string(debug.Stack()))
		}
	}()
	ans, records, err := r.core.Step(b.now, ev)
	for _, rec := range records {
		data, encodeErr := encode(rec)
		if encodeErr != nil {
			r.broken = fmt.Errorf("%w: %w", errCore, encodeErr)
			return nil, r.broken
		}
		r.pending = append(r.pending, data)
		r.version++
		notePod(r.pods, rec)
		if opened, ok := rec.(schedule.RunOpenedRecord); ok {
			r.info.DefinitionSHA256 = opened.DefinitionSHA256
		}
	}
	return ans, err
}

// errCore is a fault of ours.
var errCore = errors.New("internal error of the scheduler")

// tick lets time pass for the runs whose moment has come.
func (b *round) tick() {
	d := b.d
	// Later than the events: a renewal that was queued counts before the
	// expiry it prevents.
	b.now = d.clock.now()
	var due []*run
	for len(d.timers) > 0 && d.timers[0].wake <= b.now {
		r := d.timers[0]
		r.wake = never
		d.timers.set(r)
		due = append(due, r)
	}
	for _, r := range due {
		if r.core == nil {
			if _, err := d.get(b.ctx, r.id, false); err != nil {
				b.refuse(r, err)
				continue
			}
		}
		b.touch(r)
		if !r.live && len(r.parked) == 0 && b.now >= r.used+idleFor && len(r.pending) == 0 {
			d.forget(r)
			continue
		}
		if at, ok := r.core.Deadline(); ok && at <= b.now {
			if _, err := b.step(r, schedule.Tick{}); err != nil {
				d.cfg.Logger.Error("the core refused a tick", "run", r.id, "error", err)
			}
		}
	}
}

// commit makes the round's records durable. On an error the runs concerned
// are dropped: their memory is ahead of the store.
func (b *round) commit() {
	var batch []runstore.Append
	var runs []*run
	records := 0
	for _, r := range b.touched {
		if r.core == nil || r.broken != nil || len(r.pending) == 0 {
			continue
		}
		a := runstore.Append{RunID: r.id, After: r.sequence, Records: r.pending}
		if info := b.info(r); info != r.info {
			a.Info = &info
		}
		batch, runs, records = append(batch, a), append(runs, r), records+len(r.pending)
	}
	err := b.append(batch, records)
	for i, r := range runs {
		if err != nil {
			r.broken = unavailable(err)
			continue
		}
		r.sequence += uint64(len(r.pending))
		r.pending, r.failures = nil, 0
		notices := r.core.Notices()
		changed := notices != r.notices
		r.notices = notices
		if info := batch[i].Info; info != nil {
			changed = changed || info.State != r.info.State
			r.info, r.live = *info, info.Live
		}
		if changed {
			b.d.watch.notify(r.id)
		}
	}
}

func (b *round) append(batch []runstore.Append, records int) error {
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(b.ctx, appendTimeout)
	defer cancel()
	began := time.Now()
	err := failpoint.Hit(failpoint.DriverBeforeAppend)
	if err == nil {
		err = b.d.cfg.Store.Append(ctx, int64(b.now), batch)
	}
	if b.d.cfg.OnAppend != nil {
		b.d.cfg.OnAppend(time.Since(began), records, err)
	}
	if err != nil {
		b.d.failing.Store(&err)
		b.d.stats.AppendFailures.Add(1)
		return err
	}
	b.d.failing.Store(nil)
	b.d.stats.Records.Add(int64(records))
	return failpoint.Hit(failpoint.DriverAfterAppend)
}

// info is what the store lists of the run. Live also holds for an ended run
// with a lease that must still run out.
func (b *round) info(r *run) runstore.RunInfo {
	s := r.core.Snapshot().Run
	_, timed := r.core.Deadline()
	info := r.info
	info.RunID, info.Flow, info.State, info.Reason = r.id, s.Flow, string(s.State), s.Reason
	info.OpenedAt, info.EndedAt, info.Live = int64(s.OpenedAt), int64(s.EndedAt), timed || !r.core.Ended()
	return info
}

// reply lets everybody go who was waiting for the commit.
func (b *round) reply() {
	for _, a := range b.answers {
		if a.run != nil && a.run.broken != nil {
			a.answer, a.err = nil, a.run.broken
		}
		a.req.reply <- a.outcome
	}
	for _, req := range b.views {
		r := b.d.runs[req.runID]
		switch {
		case r == nil || r.core == nil:
			req.reply <- outcome{err: ErrUnavailable}
		case r.broken != nil:
			req.reply <- outcome{err: r.broken}
		case r.core.ID() == "":
			req.reply <- outcome{err: fmt.Errorf("%w: run %q", schedule.ErrUnknown, req.runID)}
		default:
			req.reply <- b.show(r, req.view)
		}
	}
	for _, r := range b.touched {
		switch {
		case r.broken != nil:
			cause := r.broken
			r.broken = nil
			b.d.fail(r, cause)
			b.refuse(r, cause)
		case r.core != nil && r.core.ID() == "":
			// A first event that was refused: there is no such run.
			b.d.forget(r)
		}
	}
}

// show lets somebody look at the run. One who panics takes nobody along.
func (b *round) show(r *run, view func(*schedule.Run)) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			o = outcome{err: fmt.Errorf("%w: a view failed: %v", errCore, p)}
			b.d.cfg.Logger.Error("panic in a view", "run", r.id, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	r.core.SetNow(b.now) // so that the view says how long something has lasted
	view(r.core)
	return outcome{answer: schedule.Done{}}
}

func (b *round) answer(req *request, r *run, ans schedule.Answer, err error) {
	b.answers = append(b.answers, answer{req, r, outcome{ans, err}})
}
