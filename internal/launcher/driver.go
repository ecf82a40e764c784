package launcher

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/lease"
)

// driver is what the launcher needs of the driver; client is the real one.
type driver interface {
	OpenRun(ctx context.Context, run driverclient.OpenRun) error
	VerifyRun(ctx context.Context) (driverclient.RunState, string, error)
	FinishRun(ctx context.Context, kfpState, message string) (driverclient.RunState, error)

	JoinPool(ctx context.Context, j driverclient.Join) (driverclient.Joined, error)
	AcquireLease(ctx context.Context, incarnation string, slot int, prefer string) (driverclient.Answer, error)
	ReleaseLease(ctx context.Context, incarnation string, t *driverclient.Task, childGone bool, reason string) error
	LeavePool(ctx context.Context, incarnation string) error
	AwaitGate(ctx context.Context, pool, incarnation string, retryIndex int) (driverclient.Answer, error)

	// Session opens the stream that renews the task's lease.
	Session(ctx context.Context, incarnation string, t *driverclient.Task) (lease.Stream, error)
	StartAttempt(ctx context.Context, incarnation string, t *driverclient.Task) (driverclient.Attempt, error)
	ReportTask(ctx context.Context, incarnation string, t *driverclient.Task, o driverclient.Outcome) (driverclient.Reported, error)
}

// client is the driver over the wire.
type client struct{ *driverclient.Client }

func (c client) Session(ctx context.Context, incarnation string, t *driverclient.Task) (lease.Stream, error) {
	s, err := c.OpenSession(ctx, incarnation, t)
	if err != nil {
		return nil, lost(err)
	}
	return stream{s}, nil
}

// stream is a session as the lease's keeper sees it.
type stream struct{ session *driverclient.Session }

func (s stream) Send(r lease.Renewal) error {
	return s.session.Renew(driverclient.Renewal{
		Sequence: r.Sequence, UsedBytes: r.UsedBytes, LimitBytes: r.LimitBytes, LogTail: r.LogTail,
	})
}

func (s stream) Receive() (lease.Notice, error) {
	n, err := s.session.Receive()
	if err != nil {
		return lease.Notice{}, lost(err)
	}
	return lease.Notice{Sequence: n.Sequence, Renewed: n.Renewed, Lost: n.Lost, Cancel: n.Cancel}, nil
}

// lost marks the errors after which the lease is another's, or nobody's: a
// driver that has lost its state knows no lease either.
func lost(err error) error {
	if errors.Is(err, driverclient.ErrStale) || errors.Is(err, driverclient.ErrUnknown) {
		return fmt.Errorf("%w: %w", lease.ErrLost, err)
	}
	return err
}
