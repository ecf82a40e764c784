package launcher

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/internal/driverclient"
)

// largestPause is between two calls to a driver that cannot be reached. The
// driver counts on it after a start (its --client-backoff).
const largestPause = 2 * time.Second

// patience repeats calls to the driver while it cannot be reached.
type patience struct {
	logger *slog.Logger
	// enough, when set, is asked before each repetition; its error ends them.
	enough func() error
}

// call does the call until it is answered, refused, or ctx ends.
func (p patience) call(ctx context.Context, call func(context.Context) error) error {
	pause := 100 * time.Millisecond
	var waiting, said time.Time
	for {
		err := call(ctx)
		if err == nil || !driverclient.Retryable(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if p.enough != nil {
			if stop := p.enough(); stop != nil {
				return stop
			}
		}
		now := time.Now()
		if waiting.IsZero() {
			waiting = now
		}
		if now.Sub(said) >= time.Minute {
			said = now
			p.logger.Warn("the driver cannot be reached; asking again", "for", now.Sub(waiting).Round(time.Second), "error", err)
		}
		if err := sleep(ctx, pause/2+rand.N(pause/2)); err != nil {
			return err
		}
		pause = min(2*pause, largestPause)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// goodbye bounds what is still done after the pod was told to end.
const goodbye = 5 * time.Second

// outlive returns a context that goes on for a while when ctx has ended: for
// what must be brought home. Call end when it is done.
func outlive(ctx context.Context) (late context.Context, end func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = sleep(late, goodbye)
		cancel()
	})
	return late, func() {
		stop()
		cancel()
	}
}
