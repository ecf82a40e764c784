package logcapture

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

// watched is a store that tells of each put to stdout's log.
type watched struct {
	*mem.Store
	began time.Time
	// before is called before each put, with its number from 1.
	before func(ctx context.Context, n int) error

	mu     sync.Mutex
	starts []time.Duration
	active int
}

func newWatched(before func(context.Context, int) error) *watched {
	return &watched{Store: mem.New(), began: time.Now(), before: before}
}

func (w *watched) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	w.mu.Lock()
	w.starts = append(w.starts, time.Since(w.began))
	n := len(w.starts)
	w.active++
	two := w.active > 1
	w.mu.Unlock()
	defer func() { w.mu.Lock(); w.active--; w.mu.Unlock() }()
	if two {
		return errors.New("two puts at a time")
	}
	if w.before != nil {
		if err := w.before(ctx, n); err != nil {
			return err
		}
	}
	return w.Store.Put(ctx, key, src, opts)
}

func (w *watched) at() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.starts)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func TestUploadsWhileItGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched(nil)
		c := start(t, store, nil)
		write(t, c.Stdout(), "1\n")
		time.Sleep(10 * time.Second) // one upload, and none while nothing grows
		write(t, c.Stdout(), "2\n")
		for range 30 { // at most one a second
			time.Sleep(95 * time.Millisecond) // the last one at 12.85 s
			write(t, c.Stdout(), "x\n")
		}
		time.Sleep(10 * time.Second)
		if got := len(parse(t, stored(t, store, "task_stdout.log"))); got != 32 {
			t.Errorf("%d lines before the end", got)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		want := []time.Duration{time.Second, 10 * time.Second, 11 * time.Second, 12 * time.Second, 13 * time.Second}
		if got := store.at(); !slices.Equal(got, want) {
			t.Errorf("uploads at %v", got)
		}
	})
}

func TestSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched(func(ctx context.Context, _ int) error { return sleep(ctx, 3*time.Second) })
		c := start(t, store, nil)
		for range 60 {
			write(t, c.Stdout(), "x\n")
			time.Sleep(time.Second)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		// 1 s, then 3 s of upload and 30 s of pause each time; the last at the end.
		if got, want := store.at(), []time.Duration{time.Second, 34 * time.Second, 60 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("uploads at %v", got)
		}
		if got := len(parse(t, stored(t, store, "task_stdout.log"))); got != 60 {
			t.Errorf("%d lines", got)
		}
	})
}

func TestLastUploadIsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched(func(ctx context.Context, n int) error {
			if n == 1 {
				return sleep(ctx, time.Minute)
			}
			return nil
		})
		c := start(t, store, nil)
		write(t, c.Stdout(), "1\n")
		time.Sleep(2 * time.Second) // under way
		write(t, c.Stdout(), "2\nlast")
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := store.at(); !slices.Equal(got, []time.Duration{time.Second, 61 * time.Second}) {
			t.Errorf("uploads at %v", got)
		}
		if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, []string{"1", "2", "last"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched(func(ctx context.Context, _ int) error { return sleep(ctx, time.Hour) })
		c := start(t, store, nil)
		write(t, c.Stdout(), "1\n")
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestFailuresAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("503")
		var failing atomic.Bool
		store := newWatched(func(context.Context, int) error {
			if failing.Load() {
				return down
			}
			return nil
		})
		c := start(t, store, nil)
		failing.Store(true)
		write(t, c.Stdout(), "1\n")
		time.Sleep(15 * time.Second)
		failing.Store(false)
		time.Sleep(10 * time.Second) // nothing grew: it is tried again all the same
		if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, []string{"1"}) {
			t.Errorf("got %q", got)
		}
		failing.Store(true)
		write(t, c.Stdout(), "2\n")
		if err := c.Close(t.Context()); !errors.Is(err, down) || !strings.Contains(err.Error(), "task_stdout.log") {
			t.Errorf("got %v", err)
		}
		failing.Store(false)
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("got %q", got)
		}
	})
}

// An upload carries the file as it was when it began, whatever is written
// meanwhile and however often it is read.
func TestUploadIsASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c *Capture
		store := newWatched(func(_ context.Context, n int) error {
			if n == 1 {
				write(t, c.Stdout(), "2\n")
			}
			return nil
		})
		c = start(t, store, nil)
		write(t, c.Stdout(), "1\n")
		time.Sleep(1500 * time.Millisecond)
		if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, []string{"1"}) {
			t.Errorf("got %q", got)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("got %q", got)
		}
		src := c.stdout.uploader
		for range 2 {
			r, err := (snapshot{src.path, src.size - 1}).Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil || int64(len(content)) != src.size-1 {
				t.Errorf("%d bytes, %v", len(content), err)
			}
			_ = r.Close()
		}
	})
}

func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("the lease is lost")
		var asked atomic.Int32
		var refuse atomic.Bool
		store := newWatched(nil)
		c := start(t, store, func(cfg *Config) {
			cfg.Fence = func(context.Context) error {
				asked.Add(1)
				if refuse.Load() {
					return lost
				}
				return nil
			}
		})
		write(t, c.Stdout(), "1\n")
		time.Sleep(2 * time.Second)
		refuse.Store(true)
		write(t, c.Stdout(), "2\n")
		time.Sleep(time.Minute)
		refuse.Store(false) // too late: no is no
		write(t, c.Stdout(), "3\n")
		if err := c.Close(t.Context()); !errors.Is(err, lost) || asked.Load() != 2 {
			t.Errorf("asked %d times, %v", asked.Load(), err)
		}
		if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, []string{"1"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestDiscard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched(func(ctx context.Context, _ int) error { return sleep(ctx, time.Hour) })
		c := start(t, store, nil)
		write(t, c.Stdout(), "1\n")
		time.Sleep(2 * time.Second) // under way, and cut off
		c.Discard()
		if got := stored(t, store, "task_stdout.log"); got != "" {
			t.Errorf("stored %q", got)
		}
	})
}

// The output of a task that is told to end is still uploaded.
func TestStartsContextEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := mem.New()
		ctx, cancel := context.WithCancel(t.Context())
		c, err := Start(ctx, Config{Dir: t.TempDir(), Store: store, KeyPrefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		write(t, c.Stdout(), "bye\n")
		time.Sleep(2 * time.Second)
		if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, []string{"bye"}) {
			t.Errorf("got %q", got)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestNoFolder(t *testing.T) {
	if _, err := Start(t.Context(), Config{Dir: "/dev/null/logs", Store: mem.New(), KeyPrefix: prefix}); err == nil {
		t.Error("no error")
	}
}
