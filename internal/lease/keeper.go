package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Renewal is what one renewal carries.
type Renewal struct {
	Sequence              uint64
	UsedBytes, LimitBytes int64
	LogTail               []byte
}

// Notice is the driver's word on the lease. Renewed is the TTL granted to the
// renewal of that sequence, 0 for none; Lost and Cancel carry reasons.
type Notice struct {
	Sequence     uint64
	Renewed      time.Duration
	Lost, Cancel string
}

// Stream is one session with the driver. It ends with the context it was
// opened with. Errors that wrap ErrLost end the lease, others only the stream.
type Stream interface {
	Send(Renewal) error
	Receive() (Notice, error)
}

// Config makes a Keeper.
type Config struct {
	Terms Terms
	// Asked is when the request that granted the lease was sent.
	Asked time.Time
	// Open opens a session.
	Open func(context.Context) (Stream, error)
	// Sample fills a renewal with memory and log tail; may be nil.
	Sample func() Renewal
	Logger *slog.Logger
}

// Keeper renews one lease until it is stopped or lost.
type Keeper struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   context.CancelFunc
	done   chan struct{}
	hurry  chan struct{}

	mu       sync.Mutex
	lastGood time.Time     // when the last good renewal was sent
	ttl      time.Duration // as last granted
	lost     error
	changed  chan struct{} // closed and replaced when any of the above changes
}

// Keep starts renewing at once. Call Stop when the lease is no longer needed.
func Keep(ctx context.Context, cfg Config) *Keeper {
	k := &Keeper{
		cfg: cfg, done: make(chan struct{}), hurry: make(chan struct{}, 1), lastGood: cfg.Asked, ttl: cfg.Terms.TTL, changed: make(chan struct{}),
	}
	k.ctx, k.cancel = context.WithCancelCause(ctx)
	// The renewals outlive the keeper's context: a cancelled child still has
	// to be reported under a live lease.
	loop, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	go k.run(loop)
	return k
}

// Context ends when the child must end; its cause is ErrLost, ErrCancelled or
// that of the context given to Keep.
func (k *Keeper) Context() context.Context { return k.ctx }

// Stop ends the renewals and waits for that. The lease may be trusted to the
// end of its window.
func (k *Keeper) Stop() {
	k.stop()
	<-k.done
	k.cancel(context.Canceled)
}

// Hurry has the next renewal sent at once: its sample is news. It never waits.
func (k *Keeper) Hurry() {
	select {
	case k.hurry <- struct{}{}:
	default:
	}
}

// Lost returns nil, or why the lease is lost.
func (k *Keeper) Lost() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost
}

// Writable returns nil when a write may begin. While the driver cannot be
// reached it waits, up to the orphan grace; it returns an error that wraps
// ErrLost when nothing may be written any more.
func (k *Keeper) Writable() error { return k.AwaitWritable(context.Background()) }

// AwaitWritable is Writable that gives up with ctx.
func (k *Keeper) AwaitWritable(ctx context.Context) error {
	for {
		k.mu.Lock()
		lost, changed := k.lost, k.changed
		trusted := time.Now().Before(k.terms().TrustedUntil(k.lastGood))
		k.mu.Unlock()
		switch {
		case lost != nil:
			return lost
		case trusted:
			return nil
		}
		select {
		case <-changed:
		case <-k.done:
			// Stopped, and the window has passed: nobody renews any more.
			return fmt.Errorf("%w: no longer renewed", ErrLost)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (k *Keeper) terms() Terms {
	t := k.cfg.Terms
	t.TTL = k.ttl
	return t
}

// run holds sessions one after the other.
func (k *Keeper) run(ctx context.Context) {
	defer close(k.done)
	sequence := uint64(0)
	pause := time.Duration(0)
	complained := false
	for ctx.Err() == nil && k.Lost() == nil {
		before := k.good()
		err := k.session(ctx, &sequence)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrLost):
			k.lose(err)
			return
		}
		if k.good().After(before) {
			pause, complained = 0, false
		}
		if !complained {
			complained = true
			k.cfg.Logger.Warn("the session with the driver broke; opening it again", "error", err)
		}
		if time.Now().After(k.orphanedAt()) {
			k.lose(fmt.Errorf("%w: the driver could not be reached for %s (last: %w)", ErrLost, time.Since(k.good()).Round(time.Second), err))
			return
		}
		// Between 0.1 s and half a renewal's pause, so that a window is never
		// lost to waiting alone.
		pause = min(max(2*pause, 100*time.Millisecond), max(k.cfg.Terms.RenewEvery/2, 100*time.Millisecond))
		wait := pause/2 + rand.N(pause/2+1)
		select {
		case <-time.After(min(wait, max(time.Until(k.orphanedAt()), 0)+time.Millisecond)):
		case <-ctx.Done():
		}
	}
}

type received struct {
	notice Notice
	err    error
}

// session renews on one stream until it breaks, an answer is overdue, or ctx
// ends.
func (k *Keeper) session(ctx context.Context, sequence *uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := k.cfg.Open(ctx)
	if err != nil {
		return fmt.Errorf("opening the session: %w", err)
	}
	notices := make(chan received)
	go func() {
		for {
			n, err := stream.Receive()
			select {
			case notices <- received{n, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()

	sent := map[uint64]time.Time{}
	overdue := time.NewTimer(k.patience())
	defer overdue.Stop()
	renew := time.NewTimer(0)
	defer renew.Stop()
	send := func() {
		var r Renewal
		if k.cfg.Sample != nil {
			r = k.cfg.Sample()
		}
		*sequence++
		r.Sequence = *sequence
		sent[r.Sequence] = time.Now()
		// A failed send is explained by Receive.
		_ = stream.Send(r)
		renew.Reset(k.cfg.Terms.RenewEvery)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-overdue.C:
			return errors.New("no answer to a renewal")
		case <-renew.C:
			send()
		case <-k.hurry:
			send()
		case got := <-notices:
			if got.err != nil {
				return got.err
			}
			good := k.good()
			if err := k.take(got.notice, sent); err != nil {
				return err
			}
			if k.good().After(good) {
				overdue.Reset(k.patience())
			}
		}
	}
}

// patience is how long a stream may be silent: a renewal's pause for the next
// one to be sent and as much again for its answer.
func (k *Keeper) patience() time.Duration { return 2 * k.cfg.Terms.RenewEvery }

func (k *Keeper) take(n Notice, sent map[uint64]time.Time) error {
	if n.Lost != "" {
		return fmt.Errorf("%w: %s", ErrLost, n.Lost)
	}
	if at, ok := sent[n.Sequence]; ok && n.Renewed > 0 {
		delete(sent, n.Sequence)
		k.mu.Lock()
		if at.After(k.lastGood) {
			k.lastGood, k.ttl = at, n.Renewed
		}
		k.signal()
		k.mu.Unlock()
	}
	if n.Cancel != "" {
		k.cancel(fmt.Errorf("%w: %s", ErrCancelled, n.Cancel))
	}
	return nil
}

func (k *Keeper) good() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lastGood
}

func (k *Keeper) orphanedAt() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.terms().OrphanedAt(k.lastGood)
}

func (k *Keeper) lose(err error) {
	k.mu.Lock()
	k.lost = err
	k.signal()
	k.mu.Unlock()
	k.cancel(err)
}

// signal wakes those who wait in AwaitWritable; k.mu is held.
func (k *Keeper) signal() {
	close(k.changed)
	k.changed = make(chan struct{})
}
