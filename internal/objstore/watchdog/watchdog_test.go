package watchdog_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/watchdog"
)

func TestLaws(t *testing.T) {
	objstoretest.Exercise(t, objstoretest.Harness{Big: 100_000, Fresh: func(*testing.T) objstore.Store {
		return watchdog.Wrap(mem.New(), time.Minute)
	}})
}

const stall = time.Minute

// calls are all operations, each against a store that is watched.
func calls(t *testing.T, s objstore.Store) map[string]func() error {
	t.Helper()
	return map[string]func() error{
		"get": func() error {
			return s.Get(t.Context(), "k", objstore.Whole, func(_ objstore.Info, r io.Reader) error {
				_, err := io.Copy(io.Discard, r)
				return err
			})
		},
		"put":    func() error { return s.Put(t.Context(), "k", objstore.Bytes("0123456789"), objstore.PutOptions{}) },
		"stat":   func() error { _, err := s.Stat(t.Context(), "k"); return err },
		"delete": func() error { return s.Delete(t.Context(), "k") },
		"list": func() (err error) {
			for _, e := range s.List(t.Context(), "k") {
				err = e
			}
			return err
		},
	}
}

// Slow is not stalled: ten bytes in eight minutes are progress.
func TestSlowButMovingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for op, call := range calls(t, watchdog.Wrap(slow{request: 50 * time.Second, perByte: 50 * time.Second}, stall)) {
			if err := call(); err != nil {
				t.Errorf("%s: %v", op, err)
			}
		}
	})
}

func TestSilenceIsTransient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for op, call := range calls(t, watchdog.Wrap(slow{silent: true}, stall)) {
			begin := time.Now()
			err := call()
			if !errors.Is(err, objstore.ErrTransient) || !strings.Contains(err.Error(), op+" k: no byte moved for 1m0s") {
				t.Errorf("%s: %v", op, err)
			}
			if took := time.Since(begin); took != stall {
				t.Errorf("%s took %s", op, took)
			}
		}
	})
}

// While the caller works on what it has, nobody is waited for.
func TestTheCallersTimeDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := watchdog.Wrap(slow{}, stall)
		err := s.Get(t.Context(), "k", objstore.Whole, func(_ objstore.Info, r io.Reader) error {
			time.Sleep(time.Hour)
			_, err := io.ReadFull(r, make([]byte, 5))
			time.Sleep(time.Hour)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		for _, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Error(err)
			}
			time.Sleep(time.Hour)
		}
		err = s.Put(t.Context(), "k", objstore.Bytes("x"), objstore.PutOptions{Fence: func(ctx context.Context) error {
			time.Sleep(time.Hour)
			return context.Cause(ctx)
		}})
		if err != nil {
			t.Error(err)
		}
	})
}

// The caller's own end is not taken for a stall.
func TestTheCallersEndIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the task is over")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		_, err := watchdog.Wrap(slow{silent: true}, stall).Stat(ctx, "k")
		if !errors.Is(err, cause) || errors.Is(err, objstore.ErrTransient) {
			t.Errorf("Stat = %v", err)
		}
	})
}
