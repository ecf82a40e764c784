package rpc

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/millrace/millrace/internal/failpoint"
	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/schedule"
)

type sessionStream = grpc.BidiStreamingServer[millracev1.SessionRequest, millracev1.SessionResponse]

// Session renews the lease of a slot. It ends when the launcher closes it,
// when the lease is lost, and when the driver stops.
func (s *leases) Session(stream sessionStream) error {
	first, err := stream.Recv()
	if err != nil {
		return ended(err)
	}
	changed, stop := s.cfg.Dispatcher.Watch(first.GetRunId())
	defer stop()
	renewals := make(chan received)
	go receive(stream, renewals)
	next := received{in: first}
	for {
		over, err := s.hear(stream, first, next)
		if over || err != nil {
			return err
		}
		select {
		case next = <-renewals:
		case <-changed:
			next = received{}
		case <-s.stopping.Done():
			return errStopping
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// hear takes a renewal or the stream's end; neither means that there may be
// news.
func (s *leases) hear(stream sessionStream, first *millracev1.SessionRequest, next received) (over bool, err error) {
	switch {
	case next.err != nil:
		return true, ended(next.err)
	case next.in == nil:
		return false, s.tell(stream, first)
	case next.in.GetRunId() != first.GetRunId():
		return true, field("run_id", "a session is about one run")
	case next.in.GetToken() != first.GetToken():
		return true, field("token", "a session is about one lease")
	}
	return s.renew(stream, next.in)
}

// received is one renewal, or why there are no more.
type received struct {
	in  *millracev1.SessionRequest
	err error
}

// receive hands on what comes in. It ends with the stream, which the return
// of the call ends at the latest.
func receive(stream sessionStream, renewals chan<- received) {
	for {
		in, err := stream.Recv()
		select {
		case renewals <- received{in, err}:
		case <-stream.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// ended takes the launcher's closing of the stream for what it is.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// renew answers one renewal. A lost lease ends the stream after its notice.
func (s *leases) renew(stream sessionStream, in *millracev1.SessionRequest) (over bool, err error) {
	var c checks
	c.held(in)
	c.ok(len(in.GetLogTail()) <= maxText, "log_tail", "%d bytes long, more than %d", len(in.GetLogTail()), maxText)
	c.ok(in.GetMemory().GetUsedBytes() >= 0, "memory.used_bytes", "negative")
	c.ok(in.GetMemory().GetLimitBytes() >= 0, "memory.limit_bytes", "negative")
	if c.err != nil {
		return true, c.err
	}
	answer, err := s.do(stream.Context(), in.GetRunId(), schedule.Renewed{
		Incarnation: in.GetIncarnationId(), Slot: int(in.GetSlot()), Task: taskID(in.GetTask()), Token: in.GetToken(),
		UsedBytes: in.GetMemory().GetUsedBytes(), LimitBytes: in.GetMemory().GetLimitBytes(),
	}, failpoint.DriverReplyRenew)
	out := &millracev1.SessionResponse{Sequence: in.GetSequence()}
	if errors.Is(err, schedule.ErrStale) {
		out.Notice = &millracev1.SessionResponse_Lost{Lost: err.Error()}
		return true, stream.Send(out)
	}
	if err != nil {
		return true, err
	}
	renewed, ok := answer.(schedule.RenewAnswer)
	if !ok {
		return true, unexpected(answer)
	}
	out.Notice = &millracev1.SessionResponse_Renewed{Renewed: duration(renewed.TTL)}
	if err := stream.Send(out); err != nil || renewed.Cancel == "" {
		return err != nil, err
	}
	// A notice of its own: the lease is renewed too, the child's last words
	// are to be saved.
	return false, stream.Send(cancelNotice(renewed.Cancel))
}

// tell passes on, between the renewals, that the child must end. It renews
// nothing: nobody asked for that.
func (s *leases) tell(stream sessionStream, held *millracev1.SessionRequest) error {
	reason := ""
	err := s.cfg.Dispatcher.View(stream.Context(), held.GetRunId(), func(r *schedule.Run) {
		reason = r.Notice(taskID(held.GetTask()), held.GetToken(), held.GetIncarnationId())
	})
	if err != nil || reason == "" {
		return err
	}
	return stream.Send(cancelNotice(reason))
}

func (h *handlers) look(ctx context.Context, runID string) (run schedule.RunView, err error) {
	err = h.cfg.Dispatcher.View(ctx, runID, func(r *schedule.Run) { run = r.Snapshot().Run })
	return run, err
}

func cancelNotice(reason string) *millracev1.SessionResponse {
	return &millracev1.SessionResponse{Notice: &millracev1.SessionResponse_Cancel{Cancel: reason}}
}
