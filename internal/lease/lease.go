package lease

import (
	"errors"
	"time"
)

// Causes of the end of a keeper's context.
var (
	// ErrLost: another holds the task now, or may soon. Write nothing more.
	ErrLost = errors.New("lease lost")
	// ErrCancelled: the run is over, or the gang of the task is. The lease still
	// holds, so that the end of the child can be reported.
	ErrCancelled = errors.New("cancelled")
)

// Terms are the driver's numbers.
type Terms struct {
	// TTL is the life of a lease from one renewal.
	TTL time.Duration
	// RenewEvery is the pause between renewals.
	RenewEvery time.Duration
	// OrphanGrace is how long the child runs on after the last good renewal.
	OrphanGrace time.Duration
}

// Margin is the part of the TTL that is never trusted: a tenth, at most a
// second. Clocks of two machines drift by parts in ten thousand.
func (t Terms) Margin() time.Duration { return min(t.TTL/10, time.Second) }

// TrustedUntil is the moment up to which a write may begin, given when the
// renewal that the driver accepted was sent.
func (t Terms) TrustedUntil(sent time.Time) time.Time {
	return sent.Add(t.TTL - t.Margin())
}

// OrphanedAt is the moment at which a child whose lease was last renewed at
// sent must end. It never lies within the trust window.
func (t Terms) OrphanedAt(sent time.Time) time.Time {
	return sent.Add(max(t.OrphanGrace, t.TTL))
}
