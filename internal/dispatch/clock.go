package dispatch

import (
	"time"

	"github.com/millrace/millrace/internal/schedule"
)

// clock is the time every decision is made by: it starts at the wall clock,
// or at the store's if that is ahead, and then runs by the monotonic clock,
// so it never goes back, also not over a restart on a machine whose clock was
// set. It stands still while the machine sleeps, and so does every lease.
type clock struct {
	base  schedule.Millis
	start time.Time
	last  schedule.Millis
}

func newClock(stored int64) *clock {
	start := time.Now()
	return &clock{base: schedule.Millis(max(start.UnixMilli(), stored)), start: start}
}

// read is safe beside the loop, now is the loop's own.
func (c *clock) read() schedule.Millis {
	return c.base + schedule.Millis(time.Since(c.start).Milliseconds())
}

func (c *clock) now() schedule.Millis {
	c.last = max(c.last, c.read())
	return c.last
}

// until is how long from now to a moment; never negative.
func (c *clock) until(at schedule.Millis) time.Duration {
	return max(time.Duration(at-c.read())*time.Millisecond, 0)
}
