package lease

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// driver is the far side of the sessions: it answers every renewal after
// delay, with what answer says, while it is up.
type driver struct {
	ttl    time.Duration
	delay  time.Duration
	up     func() bool
	answer func(Renewal) Notice
	opened atomic.Int32
}

type stream struct {
	d    *driver
	ctx  context.Context
	sent chan Renewal
}

func (d *driver) open(ctx context.Context) (Stream, error) {
	if d.up != nil && !d.up() {
		return nil, errors.New("connection refused")
	}
	d.opened.Add(1)
	return &stream{d: d, ctx: ctx, sent: make(chan Renewal, 16)}, nil
}

func (s *stream) Send(r Renewal) error {
	s.sent <- r
	return nil
}

func (s *stream) Receive() (Notice, error) {
	select {
	case <-s.ctx.Done():
		return Notice{}, s.ctx.Err()
	case r := <-s.sent:
		select {
		case <-time.After(s.d.delay):
		case <-s.ctx.Done():
			return Notice{}, s.ctx.Err()
		}
		if s.d.up != nil && !s.d.up() {
			return Notice{}, errors.New("connection reset")
		}
		if s.d.answer != nil {
			return s.d.answer(r), nil
		}
		return Notice{Sequence: r.Sequence, Renewed: s.d.ttl}, nil
	}
}

var terms = Terms{TTL: 30 * time.Second, RenewEvery: 10 * time.Second, OrphanGrace: 10 * time.Minute}

func keep(t *testing.T, d *driver) *Keeper {
	t.Helper()
	d.ttl = terms.TTL
	return Keep(t.Context(), Config{Terms: terms, Asked: time.Now(), Open: d.open, Logger: slog.New(slog.DiscardHandler)})
}

func TestRenewsForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &driver{delay: 2 * time.Second}
		k := keep(t, d)
		time.Sleep(3 * time.Hour)
		if err := k.Writable(); err != nil {
			t.Fatal(err)
		}
		if d.opened.Load() != 1 {
			t.Errorf("%d sessions were opened, want 1", d.opened.Load())
		}
		k.Stop()
	})
}

// TestHurry: what cannot wait for the next renewal is sent at once, and the
// renewals go on from there.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sequence atomic.Uint64
		d := &driver{answer: func(r Renewal) Notice {
			sequence.Store(r.Sequence)
			return Notice{Sequence: r.Sequence, Renewed: terms.TTL}
		}}
		k := keep(t, d)
		want := func(after time.Duration, n uint64) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := sequence.Load(); got != n {
				t.Errorf("%d renewals, want %d", got, n)
			}
		}
		want(4*time.Second, 1)
		k.Hurry()
		k.Hurry()
		want(time.Second, 2+1)
		want(8*time.Second, 3)
		want(2*time.Second, 4)
		k.Stop()
		k.Hurry()
	})
}

func TestSlowAnswerDoesNotStretchTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		d := &driver{delay: 8 * time.Second, up: func() bool { return !down.Load() }}
		k := keep(t, d)
		time.Sleep(9 * time.Second) // the renewal sent at 0 was answered at 8
		synctest.Wait()
		down.Store(true)
		time.Sleep(19 * time.Second) // 28
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := k.AwaitWritable(ctx); err != nil {
			t.Errorf("at 28 s: %v, want writable until 29", err)
		}
		cancel()
		time.Sleep(time.Second + 10*time.Millisecond)
		ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		if err := k.AwaitWritable(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("at 29 s: %v, want to be kept waiting", err)
		}
		cancel()
		k.Stop()
	})
}

func TestWritersWaitOutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		outage := func() bool {
			at := time.Since(start)
			return at > 15*time.Second && at < 5*time.Minute
		}
		d := &driver{up: func() bool { return !outage() }}
		k := keep(t, d)
		time.Sleep(time.Minute)
		if err := k.Writable(); err != nil {
			t.Fatal(err)
		}
		if at := time.Since(start); at < 5*time.Minute || at > 5*time.Minute+10*time.Second {
			t.Errorf("the writer went on after %s, want soon after the driver came back at 5m", at)
		}
		if k.Context().Err() != nil {
			t.Error("the child was ended although the driver came back within the grace")
		}
		k.Stop()
	})
}

func TestOrphanIsEndedAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		d := &driver{up: func() bool { return time.Since(start) < time.Second }}
		k := keep(t, d)
		err := k.Writable() // trusted at first
		if err != nil {
			t.Fatal(err)
		}
		<-k.Context().Done()
		if at := time.Since(start); at < 10*time.Minute || at > 10*time.Minute+time.Second {
			t.Errorf("ended after %s, want the grace of 10m", at)
		}
		if cause := context.Cause(k.Context()); !errors.Is(cause, ErrLost) {
			t.Errorf("cause %v, want ErrLost", cause)
		}
		if err := k.Writable(); !errors.Is(err, ErrLost) {
			t.Errorf("Writable after the loss: %v", err)
		}
		k.Stop()
	})
}

func TestLostEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &driver{answer: func(r Renewal) Notice {
			if r.Sequence < 3 {
				return Notice{Sequence: r.Sequence, Renewed: terms.TTL}
			}
			return Notice{Sequence: r.Sequence, Lost: "task-3 was given to worker 7"}
		}}
		k := keep(t, d)
		<-k.Context().Done()
		if err := k.Writable(); !errors.Is(err, ErrLost) {
			t.Errorf("Writable: %v, want ErrLost", err)
		}
		k.Stop()
	})
}

func TestCancelledLeaseIsStillRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &driver{answer: func(r Renewal) Notice {
			n := Notice{Sequence: r.Sequence, Renewed: terms.TTL}
			if r.Sequence == 2 {
				n.Cancel = "somebody asked"
			}
			return n
		}}
		k := keep(t, d)
		<-k.Context().Done()
		if cause := context.Cause(k.Context()); !errors.Is(cause, ErrCancelled) {
			t.Errorf("cause %v, want ErrCancelled", cause)
		}
		time.Sleep(5 * time.Minute) // the child takes its time to end
		if err := k.Writable(); err != nil {
			t.Errorf("the end of a cancelled child cannot be reported: %v", err)
		}
		k.Stop()
	})
}

func TestSilentStreamIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &driver{}
		d.answer = silentAfter(d, 2)
		k := keep(t, d)
		time.Sleep(10 * time.Minute)
		if err := k.Writable(); err != nil {
			t.Fatal(err)
		}
		if d.opened.Load() < 2 {
			t.Error("the silent stream was never replaced")
		}
		k.Stop()
	})
}

// silentAfter answers n renewals of the first stream and none after that.
func silentAfter(d *driver, n uint64) func(Renewal) Notice {
	return func(r Renewal) Notice {
		if d.opened.Load() == 1 && r.Sequence > n {
			return Notice{} // of no renewal that was sent: as good as silence
		}
		return Notice{Sequence: r.Sequence, Renewed: terms.TTL}
	}
}
