package objstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// WriteLimit bounds one write request; 0 is no bound. The driver counts on it
// when it hands a lost task to the next worker.
type WriteLimit time.Duration

var errWriteLimit = errors.New("the write request took longer than a lost lease is kept free for")

// Context is that of one write request.
func (l WriteLimit) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	if l <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, time.Duration(l), errWriteLimit)
}

// Passed tells whether it was the limit that ended a request's context.
func (l WriteLimit) Passed(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), errWriteLimit)
}

// inPartsFrom is the size from which a put that takes too long is better done
// in parts; a smaller one waits for the server, not for the line.
const inPartsFrom = 1 << 20

// TooSlow wraps ErrTooSlow when a put of that size did not go through within
// the limit and may in parts; else it is nil.
func (l WriteLimit) TooSlow(ctx context.Context, size int64) error {
	if size < inPartsFrom || !l.Passed(ctx) {
		return nil
	}
	return fmt.Errorf("its %d bytes did not go through within %s: %w", size, time.Duration(l), ErrTooSlow)
}
