package retry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/retry"
)

var busy = objstoretest.Transient("the store is busy")

func TestLaws(t *testing.T) {
	objstoretest.Exercise(t, objstoretest.Harness{Big: 100_000, Fresh: func(*testing.T) objstore.Store {
		return retry.New(retry.Config{}).Wrap(mem.New())
	}})
}

func TestWaitsDoubleWithJitterWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var tried []time.Time
		r := retry.New(retry.Config{First: time.Second, Longest: 8 * time.Second, Budget: time.Minute})
		err := r.Do(t.Context(), "put k", func() error {
			tried = append(tried, time.Now())
			return busy
		})
		if !errors.Is(err, objstore.ErrTransient) || !strings.Contains(err.Error(), "given up after") || !strings.Contains(err.Error(), "busy") {
			t.Errorf("Do = %v", err)
		}
		if took := time.Since(begin); took > time.Minute || took < 40*time.Second {
			t.Errorf("it took %s, the budget is a minute", took)
		}
		step, jitter := time.Second, false
		for n := range tried[1:] {
			pause := tried[n+1].Sub(tried[n])
			if pause < step/2 || pause >= step*3/2 {
				t.Errorf("pause %d is %s, the step is %s", n, pause, step)
			}
			jitter = jitter || pause != step
			step = min(2*step, 8*time.Second)
		}
		if !jitter {
			t.Error("the pauses have no jitter")
		}
	})
}

func TestTriesAgainOnlyWhatIsTransient(t *testing.T) {
	for name, final := range map[string]error{
		"not there": fs.ErrNotExist, "there": fs.ErrExist, "forbidden": fs.ErrPermission, "unknown": errors.New("what?"),
	} {
		tries := 0
		err := retry.New(retry.Config{}).Do(t.Context(), "stat k", func() error {
			tries++
			return fmt.Errorf("store: %w", final)
		})
		if !errors.Is(err, final) || tries != 1 {
			t.Errorf("%s: %v after %d tries, want one", name, err, tries)
		}
	}
}

func TestANestedRetrierDoesNotMultiplyTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := retry.New(retry.Config{Budget: time.Minute})
		err := r.Do(t.Context(), "put k", func() error {
			return r.Do(t.Context(), "put part 1 of k", func() error { return busy })
		})
		if took := time.Since(begin); !errors.Is(err, objstore.ErrTransient) || took > time.Minute {
			t.Errorf("%v after %s", err, took)
		}
	})
}

func TestAnEndedContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the task is over")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(cause) })
		begin := time.Now()
		err := retry.New(retry.Config{Longest: time.Hour, Budget: 10 * time.Hour}).Do(ctx, "get k", func() error { return busy })
		if !errors.Is(err, cause) || time.Since(begin) != 10*time.Second {
			t.Errorf("Do = %v after %s", err, time.Since(begin))
		}
	})
}

func TestTheLogSaysWhatIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := &objstoretest.Flaky{Store: mem.New(), Before: objstoretest.Times(2, busy)}
		r := retry.New(retry.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Wrap(store)
		if err := r.Put(t.Context(), "F/k", objstore.Bytes("x"), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 {
			t.Fatalf("%d lines, want one for each wait:\n%s", len(lines), log.String())
		}
		for _, text := range []string{"level=WARN", `what="put F/k"`, "in=", "tries=2", "the store is busy"} {
			if !strings.Contains(lines[1], text) {
				t.Errorf("%q does not say %q", lines[1], text)
			}
		}
	})
}
