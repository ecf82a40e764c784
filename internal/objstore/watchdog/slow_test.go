package watchdog_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

// slow is a store behind a slow line, which may fall silent for good.
type slow struct {
	request, perByte time.Duration
	silent           bool
}

func (s slow) wait(ctx context.Context, d time.Duration) error {
	var over <-chan time.Time
	if !s.silent {
		over = time.After(d)
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Get falls silent in the body, not before it.
func (s slow) Get(ctx context.Context, key string, _ objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	if err := (slow{}).wait(ctx, s.request); err != nil {
		return err
	}
	return fn(objstore.Info{Key: key, Size: 10}, &body{ctx, s, 10})
}

type body struct {
	ctx  context.Context
	slow slow
	left int
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if err := b.slow.wait(b.ctx, b.slow.perByte); err != nil {
		return 0, err
	}
	p[0] = 'x'
	b.left--
	return 1, nil
}

func (s slow) Put(ctx context.Context, _ string, src objstore.Source, opts objstore.PutOptions) error {
	r, err := src.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		if _, err := io.ReadFull(r, make([]byte, 1)); errors.Is(err, io.EOF) {
			break
		}
		if err := s.wait(ctx, s.perByte); err != nil {
			return err
		}
	}
	if opts.Fence != nil {
		return opts.Fence(ctx)
	}
	return nil
}

func (s slow) Stat(ctx context.Context, key string) (objstore.Info, error) {
	return objstore.Info{Key: key}, s.wait(ctx, s.request)
}

func (s slow) Delete(ctx context.Context, _ string) error { return s.wait(ctx, s.request) }

func (s slow) List(ctx context.Context, _ string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		for range 3 {
			err := s.wait(ctx, s.request)
			if !yield(objstore.Info{Key: "k"}, err) || err != nil {
				return
			}
		}
	}
}
