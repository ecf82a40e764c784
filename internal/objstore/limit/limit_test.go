package limit_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/limit"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
)

func TestLaws(t *testing.T) {
	objstoretest.Exercise(t, objstoretest.Harness{Big: 100_000, Fresh: func(*testing.T) objstore.Store {
		// Two: the fence's law asks the store from within a put.
		return limit.Wrap(mem.New(), limit.New(2))
	}})
}

// slow takes a second for each call and counts those under way.
func slow(now, most *atomic.Int32) *objstoretest.Flaky {
	return &objstoretest.Flaky{Store: mem.New(), Before: func(string, string) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Second)
		return nil
	}}
}

func TestSoManyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		tokens := limit.New(3)
		// Two stores share the tokens.
		stores := []objstore.Store{limit.Wrap(slow(&now, &most), tokens), limit.Wrap(slow(&now, &most), tokens)}
		calls := []func(objstore.Store){
			func(s objstore.Store) { _, _ = s.Stat(t.Context(), "k") },
			func(s objstore.Store) { _ = s.Put(t.Context(), "k", objstore.Bytes("x"), objstore.PutOptions{}) },
			func(s objstore.Store) { _ = s.Delete(t.Context(), "k") },
			func(s objstore.Store) {
				_ = s.Get(t.Context(), "k", objstore.Whole, func(objstore.Info, io.Reader) error { return nil })
			},
		}
		begin := time.Now()
		var group sync.WaitGroup
		for n := range 12 {
			group.Go(func() { calls[n%4](stores[n/4%2]) })
		}
		group.Wait()
		if took := time.Since(begin); most.Load() != 3 || took != 4*time.Second {
			t.Errorf("%d at a time, done after %s; want 3 and 4s", most.Load(), took)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		s := limit.Wrap(slow(&now, &most), limit.New(1))
		go func() { _, _ = s.Stat(t.Context(), "k") }()
		synctest.Wait()
		cause := errors.New("the task is over")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, cause)
		defer cancel()
		if _, err := s.Stat(ctx, "k"); !errors.Is(err, cause) {
			t.Errorf("Stat = %v, want the context's cause", err)
		}
		// Who gave up has taken no token along.
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Error(err)
		}
	})
}
