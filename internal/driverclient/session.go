package driverclient

import (
	"context"
	"time"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
)

// Renewal is one renewal of a held lease.
type Renewal struct {
	Sequence   uint64
	UsedBytes  int64
	LimitBytes int64
	LogTail    []byte
}

// Notice is the driver's answer to a renewal, or news of its own.
type Notice struct {
	Sequence uint64
	// Renewed is the TTL from the moment the renewal was sent; 0 when this
	// notice renews nothing.
	Renewed time.Duration
	// Lost and Cancel, when not empty, say why.
	Lost, Cancel string
}

// Session is the stream of one held lease.
type Session struct {
	stream millracev1.LeaseService_SessionClient
	base   millracev1.SessionRequest
}

// OpenSession opens the stream; it lives as long as ctx.
func (c *Client) OpenSession(ctx context.Context, incarnation string, t *Task) (*Session, error) {
	stream, err := c.leases.Session(ctx, c.inRun())
	if err != nil {
		return nil, classify("Session "+t.Ref.String(), err)
	}
	s := &Session{stream: stream}
	s.base.RunId, s.base.IncarnationId, s.base.Slot = c.run(), incarnation, int32(t.Slot)
	s.base.Task, s.base.Token = t.Ref.proto(), t.Token
	return s, nil
}

// Renew sends one renewal. An error here says little: Receive has the cause.
func (s *Session) Renew(r Renewal) error {
	in := &millracev1.SessionRequest{
		RunId: s.base.GetRunId(), IncarnationId: s.base.GetIncarnationId(), Slot: s.base.GetSlot(),
		Task: s.base.GetTask(), Token: s.base.GetToken(), Sequence: r.Sequence, LogTail: r.LogTail,
	}
	if r.LimitBytes > 0 || r.UsedBytes > 0 {
		in.Memory = &millracev1.MemorySample{UsedBytes: r.UsedBytes, LimitBytes: r.LimitBytes}
	}
	return classify("Session", s.stream.Send(in))
}

// Receive waits for the next notice.
func (s *Session) Receive() (Notice, error) {
	out, err := s.stream.Recv()
	if err != nil {
		return Notice{}, classify("Session", err)
	}
	n := Notice{Sequence: out.GetSequence(), Lost: out.GetLost(), Cancel: out.GetCancel()}
	if r := out.GetRenewed(); r != nil {
		n.Renewed = r.AsDuration()
	}
	switch out.GetNotice().(type) {
	case *millracev1.SessionResponse_Lost:
		n.Lost = or(n.Lost, "the driver gave the task to another")
	case *millracev1.SessionResponse_Cancel:
		n.Cancel = or(n.Cancel, "the run was cancelled")
	}
	return n, nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
