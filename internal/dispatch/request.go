package dispatch

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/schedule"
)

// request is one asker: an event, proof about a pod, or a look at the run.
type request struct {
	ctx     context.Context
	runID   string
	event   schedule.Event
	podGone string
	view    func(*schedule.Run)

	// reply has room for the one outcome, so that the loop never waits.
	reply chan outcome

	// While parked. version is the run's at the last asking.
	parkable bool
	version  uint64
	until    schedule.Millis // when asking again may help by time alone; 0 is never
	deadline schedule.Millis // when the asker is told to wait for good
}

type outcome struct {
	answer schedule.Answer
	err    error
}

func newRequest(ctx context.Context, runID string) *request {
	return &request{ctx: ctx, runID: runID, reply: make(chan outcome, 1)}
}

// submit hands the request to the loop and waits for its outcome.
func (d *Dispatcher) submit(req *request) (schedule.Answer, error) {
	select {
	case d.requests <- req:
	default:
		if err := d.waitForRoom(req); err != nil {
			return nil, err
		}
	}
	select {
	case o := <-req.reply:
		return o.answer, o.err
	case <-req.ctx.Done():
		return nil, context.Cause(req.ctx)
	case <-d.done:
	}
	// The loop has ended; it may have answered before.
	select {
	case o := <-req.reply:
		return o.answer, o.err
	default:
		return nil, ErrStopped
	}
}

func (d *Dispatcher) waitForRoom(req *request) error {
	patience := time.NewTimer(queuePatience)
	defer patience.Stop()
	select {
	case d.requests <- req:
		return nil
	case <-req.ctx.Done():
		return context.Cause(req.ctx)
	case <-d.done:
		return ErrStopped
	case <-patience.C:
		return ErrBusy
	}
}
