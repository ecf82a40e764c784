// Package retry is the one place where a store operation is tried again.
// Adapters and SDKs try once; what they report as objstore.ErrTransient is
// waited out here, with jitter, until a total budget is used up. Every wait is
// logged, so that a slow task says what it waits for.
package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

// Config is the policy. Zero values mean the defaults.
type Config struct {
	// First is the mean of the first wait (default 200 ms); waits double up to
	// Longest (default 20 s).
	First, Longest time.Duration
	// Budget bounds the time from an operation's first failure to its last
	// try (default 5 min).
	Budget time.Duration
	Logger *slog.Logger
}

// Retrier carries out the policy.
type Retrier struct{ cfg Config }

// New makes a Retrier.
func New(cfg Config) *Retrier {
	if cfg.First <= 0 {
		cfg.First = 200 * time.Millisecond
	}
	if cfg.Longest <= 0 {
		cfg.Longest = 20 * time.Second
	}
	if cfg.Budget <= 0 {
		cfg.Budget = 5 * time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Retrier{cfg: cfg}
}

// errGivenUp marks a failure whose budget is used up: a retrier around another
// one, as around the parts of an upload, does not begin anew.
var errGivenUp = errors.New("given up")

// Do calls try until it succeeds, fails for good, or the budget is used up.
// what names operation and object for the log.
func (r *Retrier) Do(ctx context.Context, what string, try func() error) error {
	var deadline time.Time
	wait := r.cfg.First
	for tries := 1; ; tries++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := try()
		if err == nil || !errors.Is(err, objstore.ErrTransient) || errors.Is(err, errGivenUp) {
			return err
		}
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(r.cfg.Budget)
		}
		// Anything between half and one and a half of the step, so that a
		// crowd that failed together does not come back together.
		pause := wait/2 + rand.N(wait)
		if now.Add(pause).After(deadline) {
			return fmt.Errorf("%w after %d tries in %s: %w", errGivenUp, tries, r.cfg.Budget, err)
		}
		r.cfg.Logger.Warn("store: trying again", "what", what, "in", pause.Round(time.Millisecond), "tries", tries, "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(context.Cause(ctx), err)
		}
		wait = min(2*wait, r.cfg.Longest)
	}
}

// Store retries another store's operations.
type Store struct {
	next    objstore.Store
	retrier *Retrier
}

var _ objstore.Store = (*Store)(nil)

// Wrap decorates next.
func (r *Retrier) Wrap(next objstore.Store) *Store { return &Store{next: next, retrier: r} }

// Get implements objstore.Store. A body that breaks off is read again from the
// start of the range.
func (s *Store) Get(ctx context.Context, key string, rng objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	return s.retrier.Do(ctx, "get "+key, func() error {
		body := &failingReader{}
		err := s.next.Get(ctx, key, rng, func(info objstore.Info, r io.Reader) error {
			body.next = r
			return fn(info, body)
		})
		// What the callback makes of a broken body (a decoder's complaint) is
		// not its own error: the body's failure is.
		if err != nil && body.err != nil {
			return body.err
		}
		return err
	})
}

// failingReader remembers how the body failed.
type failingReader struct {
	next io.Reader
	err  error
}

func (f *failingReader) Read(p []byte) (int, error) {
	n, err := f.next.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	return s.retrier.Do(ctx, "put "+key, func() error { return s.next.Put(ctx, key, src, opts) })
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	var info objstore.Info
	err := s.retrier.Do(ctx, "stat "+key, func() error {
		var err error
		info, err = s.next.Stat(ctx, key)
		return err
	})
	return info, err
}

// List implements objstore.Store. A listing that breaks off is begun again and
// what was yielded already is skipped, which keys in order make possible.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		last, stopped := "", false
		err := s.retrier.Do(ctx, "list "+prefix, func() error {
			for info, err := range s.next.List(ctx, prefix) {
				if err != nil {
					return err
				}
				if info.Key <= last {
					continue
				}
				last = info.Key
				if !yield(info, nil) {
					stopped = true
					return nil
				}
			}
			return nil
		})
		if err != nil && !stopped {
			yield(objstore.Info{}, err)
		}
	}
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	return s.retrier.Do(ctx, "delete "+key, func() error { return s.next.Delete(ctx, key) })
}
