// Package watchdog ends requests that make no progress. A limit on the total
// time would be wrong for bodies of many gigabytes; a limit on silence is
// right for all. What it ends is transient, so that retry tries again.
package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

// Store watches another store's requests.
type Store struct {
	next  objstore.Store
	stall time.Duration
}

var _ objstore.Store = (*Store)(nil)

// Wrap ends requests of next that move no byte for stall. While a get's
// callback works on what it has read, nobody is waited for and no time counts.
func Wrap(next objstore.Store, stall time.Duration) *Store { return &Store{next: next, stall: stall} }

var errStalled = errors.New("no progress")

// watch is one request under watch.
type watch struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
	stall  time.Duration
}

func (s *Store) watch(ctx context.Context) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel, stall: s.stall}
	w.timer = time.AfterFunc(s.stall, func() { cancel(errStalled) })
	return ctx, w
}

func (w *watch) progress() { w.timer.Reset(w.stall) }
func (w *watch) pause()    { w.timer.Stop() }

// end stops the watch and names its own doing in err.
func (w *watch) end(ctx context.Context, what string, err error) error {
	w.timer.Stop()
	defer w.cancel(nil)
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return fmt.Errorf("%s: no byte moved for %s, the connection was given up: %w", what, w.stall, objstore.ErrTransient)
	}
	return err
}

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	ctx, w := s.watch(ctx)
	var broken error
	err := s.next.Get(ctx, key, r, func(info objstore.Info, body io.Reader) error {
		w.pause()
		err := fn(info, readFunc(func(p []byte) (int, error) {
			w.progress()
			n, err := body.Read(p)
			w.pause()
			if err != nil && errors.Is(context.Cause(ctx), errStalled) {
				err = w.end(ctx, "get "+key, err)
				broken = err
			}
			return n, err
		}))
		w.progress()
		return err
	})
	if broken != nil {
		return broken
	}
	return w.end(ctx, "get "+key, err)
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// Put implements objstore.Store. Progress is the reading of the source.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	ctx, w := s.watch(ctx)
	opts.Fence = w.unwatched(opts.Fence)
	return w.end(ctx, "put "+key, s.next.Put(ctx, key, source{src, w}, opts))
}

// unwatched lets a fence wait for the driver: that is not the store's silence.
func (w *watch) unwatched(fence func(context.Context) error) func(context.Context) error {
	if fence == nil {
		return nil
	}
	return func(ctx context.Context) error {
		w.pause()
		defer w.progress()
		return fence(ctx)
	}
}

type source struct {
	objstore.Source
	watch *watch
}

func (s source) Open() (io.ReadCloser, error) {
	r, err := s.Source.Open()
	if err != nil {
		return nil, err
	}
	if seeker, ok := r.(io.Seeker); ok {
		return &seekingReader{reader{r, s.watch}, seeker}, nil
	}
	return &reader{r, s.watch}, nil
}

type reader struct {
	io.ReadCloser
	watch *watch
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.watch.progress()
	return n, err
}

// seekingReader keeps what adapters use to send a body twice.
type seekingReader struct {
	reader
	io.Seeker
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	ctx, w := s.watch(ctx)
	info, err := s.next.Stat(ctx, key)
	return info, w.end(ctx, "stat "+key, err)
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		ctx, w := s.watch(ctx)
		defer w.cancel(nil)
		defer w.pause()
		for info, err := range s.next.List(ctx, prefix) {
			w.pause()
			if err != nil {
				yield(info, w.end(ctx, "list "+prefix, err))
				return
			}
			if !yield(info, nil) {
				return
			}
			w.progress()
		}
	}
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	ctx, w := s.watch(ctx)
	return w.end(ctx, "delete "+key, s.next.Delete(ctx, key))
}
