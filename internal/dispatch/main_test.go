package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/runstore/runstoretest"
	"github.com/millrace/millrace/internal/runstore/sqlite"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell is a dispatcher over a real store that fails on demand.
type shell struct {
	*Dispatcher
	t     testing.TB
	path  string
	cfg   Config
	store *runstoretest.Failing
	end   func()
}

func newShell(t testing.TB, cfg Config) *shell {
	t.Helper()
	cfg.Policy = schedule.Default()
	cfg.Policy.InfrastructureDelay = 0
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s := &shell{t: t, path: filepath.Join(t.TempDir(), "driver.db"), cfg: cfg}
	s.start(nil)
	t.Cleanup(func() { s.end() })
	return s
}

// start loads the store; loads is what its Load returns meanwhile.
func (s *shell) start(loads error) {
	s.t.Helper()
	store, err := sqlite.Open(context.Background(), s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = &runstoretest.Failing{Store: store}
	s.store.FailLoads(loads)
	s.cfg.Store = s.store
	if s.Dispatcher, err = New(context.Background(), s.cfg); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go s.Run(ctx)
	done := s.done
	s.end = func() {
		cancel()
		<-done
		_ = store.Close()
	}
}

func (s *shell) restart(loads error) {
	s.t.Helper()
	s.end()
	s.start(loads)
}

func (s *shell) open(runID string, def *flowdef.Definition) {
	s.t.Helper()
	raw, err := json.Marshal(def)
	if err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if err := s.Open(s.t.Context(), Opening{RunID: runID, Definition: raw, DefinitionSHA256: hex.EncodeToString(sum[:])}); err != nil {
		s.t.Fatal(err)
	}
}

// do is an event that must be taken.
func (s *shell) do(ev schedule.Event) schedule.Answer {
	s.t.Helper()
	a, err := s.Do(s.t.Context(), run1, ev)
	if err != nil {
		s.t.Fatalf("%T: %v", ev, err)
	}
	return a
}

// again makes an event as a launcher does: until the driver takes it.
func (s *shell) again(ev schedule.Event) schedule.Answer {
	s.t.Helper()
	for {
		a, err := s.Do(s.t.Context(), run1, ev)
		if err == nil {
			return a
		}
		if !errors.Is(err, ErrUnavailable) {
			s.t.Fatalf("%T: %v", ev, err)
		}
		select {
		case <-s.t.Context().Done():
			s.t.Fatalf("%T: %v", ev, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

const run1 = "kfp-1"

func oneStep() *flowdef.Definition { return scheduletest.Flow("only end") }

func joined(incarnation string) schedule.Joined {
	return schedule.Joined{Pool: "only", Incarnation: incarnation, PodUID: "uid-" + incarnation}
}

func asked(incarnation string) schedule.LeaseAsked {
	return schedule.LeaseAsked{Incarnation: incarnation}
}

func started(incarnation string, g schedule.Grant) schedule.AttemptStarted {
	return schedule.AttemptStarted{Incarnation: incarnation, Task: g.Task, Token: g.Token}
}

func good(incarnation string, g schedule.Grant) schedule.Reported {
	return schedule.Reported{Incarnation: incarnation, Task: g.Task, Token: g.Token, Succeeded: &schedule.Transition{}}
}

// grant is a lease that must be given.
func (s *shell) grant(incarnation string) schedule.Grant {
	s.t.Helper()
	a := s.do(asked(incarnation))
	g, ok := a.(schedule.Grant)
	if !ok {
		s.t.Fatalf("%s is answered %+v, not with a task", incarnation, a)
	}
	return g
}

// held waits until n askers are parked.
func (s *shell) held(n int64) {
	s.t.Helper()
	for s.Stats().Parked.Load() != n {
		if s.t.Context().Err() != nil {
			s.t.Fatalf("%d askers are held, not %d", s.Stats().Parked.Load(), n)
		}
		// A look at the run makes the loop turn once.
		_ = s.View(s.t.Context(), run1, func(*schedule.Run) {})
	}
}

type told struct {
	answer schedule.Answer
	err    error
}

// ask asks beside the test.
func (s *shell) ask(ctx context.Context, incarnation string) <-chan told {
	out := make(chan told, 1)
	go func() {
		a, err := s.Do(ctx, run1, asked(incarnation))
		out <- told{a, err}
	}()
	return out
}
