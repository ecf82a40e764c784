package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// TestFailingAppends: nobody is told what is not durable, and what was
// recorded without anybody knowing is found again.
func TestFailingAppends(t *testing.T) {
	for name, late := range map[string]bool{"nothing written": false, "written, and the answer lost": true} {
		t.Run(name, func(t *testing.T) {
			s := newShell(t, Config{})
			s.open(run1, oneStep())
			s.do(joined("w0"))
			g := s.grant("w0")
			s.store.FailAppends(errors.New("disk full"), late)
			if a, err := s.Do(t.Context(), run1, started("w0", g)); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("without a store the answer is %+v, %v", a, err)
			}
			if s.Healthy() == nil {
				t.Error("the dispatcher calls itself healthy")
			}
			s.store.FailAppends(nil, false)
			if a := s.again(started("w0", g)); a != (schedule.StartAnswer{Attempt: 0, MaxUserCodeRetries: 0}) {
				t.Errorf("asked again the answer is %+v", a)
			}
			s.do(good("w0", g))
			if s.Healthy() != nil && !late {
				t.Errorf("after good appends: %v", s.Healthy())
			}
			var attempts int
			if err := s.View(t.Context(), run1, func(r *schedule.Run) {
				for v := range r.Tasks() {
					if v.Task == g.Task {
						attempts = len(v.Attempts)
					}
				}
			}); err != nil || attempts != 1 {
				t.Errorf("%d attempts are recorded, %v", attempts, err)
			}
		})
	}
}

// TestFailingLoads: while the log cannot be read the run is unavailable, not
// unknown; others go on.
func TestFailingLoads(t *testing.T) {
	s := newShell(t, Config{})
	s.open(run1, oneStep())
	s.do(joined("w0"))
	g := s.grant("w0")
	s.restart(errors.New("disk gone"))
	if a, err := s.Do(t.Context(), run1, started("w0", g)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("without its log the run answers %+v, %v", a, err)
	}
	s.store.FailLoads(nil)
	s.again(started("w0", g))
	s.do(good("w0", g))
}

func TestUnknown(t *testing.T) {
	s := newShell(t, Config{})
	if _, err := s.Do(t.Context(), run1, joined("w0")); !errors.Is(err, schedule.ErrUnknown) {
		t.Errorf("an event of an unknown run: %v", err)
	}
	if err := s.View(t.Context(), run1, func(*schedule.Run) {}); !errors.Is(err, schedule.ErrUnknown) {
		t.Errorf("a look at an unknown run: %v", err)
	}
	if err := s.PodGone(t.Context(), run1, "uid"); err != nil {
		t.Errorf("a pod of an unknown run: %v", err)
	}
	if err := s.Open(t.Context(), Opening{RunID: run1, DefinitionSHA256: "none"}); !errors.Is(err, runstore.ErrUnknownDefinition) {
		t.Errorf("opened without a definition: %v", err)
	}
	runs, err := s.Runs(t.Context(), "")
	if err != nil || len(runs) != 0 {
		t.Errorf("runs: %v, %v", runs, err)
	}
}

// TestRestart: the lease, its token and the attempt outlive the process.
func TestRestart(t *testing.T) {
	s := newShell(t, Config{})
	s.open(run1, oneStep())
	s.do(joined("w0"))
	g := s.grant("w0")
	s.do(started("w0", g))
	s.restart(nil)
	if again := s.grant("w0"); again.Token != g.Token || again.Task != g.Task {
		t.Errorf("the slot holds %+v, before %+v", again, g)
	}
	if _, err := s.Do(t.Context(), run1, schedule.Renewed{Incarnation: "w0", Task: g.Task, Token: g.Token}); err != nil {
		t.Errorf("a renewal over the restart: %v", err)
	}
	s.do(good("w0", g))
	next := s.grant("w0")
	s.do(started("w0", next))
	s.do(good("w0", next))
	s.restart(nil)
	if a := s.do(schedule.VerifyAsked{}).(schedule.VerifyAnswer); a.State != schedule.RunSucceeded {
		t.Errorf("the run is %+v", a)
	}
	runs, err := s.Runs(t.Context(), "TestFlow")
	if err != nil || len(runs) != 1 || runs[0].State != string(schedule.RunSucceeded) || runs[0].Live || len(runs[0].DefinitionSHA256) != 64 {
		t.Errorf("runs: %+v, %v", runs, err)
	}
}

func TestHeldAskerIsWoken(t *testing.T) {
	s := newShell(t, Config{LongPoll: time.Hour})
	s.open(run1, oneStep())
	s.do(joined("w0"))
	s.do(schedule.Joined{Pool: "only", Worker: 1, Incarnation: "w1"})
	g := s.grant("w0")
	idle := s.ask(t.Context(), "w1")
	s.held(1)
	s.do(started("w0", g))
	s.do(good("w0", g))
	if got := <-idle; got.err != nil || got.answer.(schedule.Grant).Task.Step != "only" {
		t.Errorf("the idle worker is told %+v, %v", got.answer, got.err)
	}
	s.held(0)
}

func TestHeldAskerIsLetGo(t *testing.T) {
	t.Run("when its time is over", func(t *testing.T) {
		s := newShell(t, Config{LongPoll: 20 * time.Millisecond})
		s.open(run1, oneStep())
		s.do(joined("w0"))
		s.grant("w0")
		s.do(schedule.Joined{Pool: "only", Worker: 1, Incarnation: "w1"})
		if _, ok := s.do(asked("w1")).(schedule.Wait); !ok {
			t.Error("not told to wait")
		}
	})
	t.Run("when it asks again", func(t *testing.T) {
		s := newShell(t, Config{LongPoll: time.Hour})
		s.open(run1, oneStep())
		s.do(joined("w0"))
		s.grant("w0")
		s.do(schedule.Joined{Pool: "only", Worker: 1, Incarnation: "w1"})
		first := s.ask(t.Context(), "w1")
		s.held(1)
		ctx, cancel := context.WithCancel(t.Context())
		second := s.ask(ctx, "w1")
		if _, ok := (<-first).answer.(schedule.Wait); !ok {
			t.Error("the first question was not let go")
		}
		cancel()
		if got := <-second; !errors.Is(got.err, context.Canceled) {
			t.Errorf("the second is told %+v, %v", got.answer, got.err)
		}
	})
	t.Run("when the loop ends", func(t *testing.T) {
		s := newShell(t, Config{LongPoll: time.Hour})
		s.open(run1, oneStep())
		s.do(joined("w0"))
		s.grant("w0")
		s.do(schedule.Joined{Pool: "only", Worker: 1, Incarnation: "w1"})
		idle := s.ask(t.Context(), "w1")
		s.held(1)
		s.end()
		if got := <-idle; !errors.Is(got.err, ErrStopped) {
			t.Errorf("told %+v, %v", got.answer, got.err)
		}
		s.end = func() {}
	})
}

// TestAskerWhoLeft: a task is not given to somebody who no longer listens.
func TestAskerWhoLeft(t *testing.T) {
	s := newShell(t, Config{LongPoll: time.Hour})
	s.open(run1, oneStep())
	s.do(joined("w0"))
	s.do(schedule.Joined{Pool: "only", Worker: 1, Incarnation: "w1"})
	g := s.grant("w0")
	ctx, cancel := context.WithCancel(t.Context())
	gone := s.ask(ctx, "w1")
	s.held(1)
	cancel()
	<-gone
	s.do(started("w0", g))
	s.do(good("w0", g))
	s.grant("w0")
}

// TestPodGone: proof of death frees what the pod held, also after a restart.
func TestPodGone(t *testing.T) {
	s := newShell(t, Config{})
	s.open(run1, oneStep())
	s.do(joined("w0"))
	g := s.grant("w0")
	s.restart(nil)
	if err := s.PodGone(t.Context(), run1, "uid-w0"); err != nil {
		t.Fatal(err)
	}
	s.do(schedule.Joined{Pool: "only", Worker: 1, Incarnation: "w1"})
	if again := s.grant("w1"); again.Task != g.Task || again.Token <= g.Token {
		t.Errorf("after the pod's end %+v is leased, before %+v", again, g)
	}
	if _, err := s.Do(t.Context(), run1, started("w0", g)); !errors.Is(err, schedule.ErrStale) {
		t.Errorf("the dead pod's lease: %v", err)
	}
}

func TestWatch(t *testing.T) {
	s := newShell(t, Config{})
	s.open(run1, oneStep())
	changed, stop := s.Watch(run1)
	defer stop()
	other, stopOther := s.Watch("kfp-2")
	defer stopOther()
	s.do(schedule.Cancelled{Reason: "by hand"})
	<-changed
	select {
	case <-other:
		t.Error("another run's watcher was told")
	default:
	}
}

// TestPanics: neither a look at the core nor an event it does not know takes
// the loop along.
func TestPanics(t *testing.T) {
	s := newShell(t, Config{})
	s.open(run1, oneStep())
	if err := s.View(t.Context(), run1, func(*schedule.Run) { panic("boom") }); !errors.Is(err, errCore) {
		t.Errorf("a panicking view: %v", err)
	}
	if _, err := s.Do(t.Context(), run1, nil); !errors.Is(err, schedule.ErrInvalid) {
		t.Errorf("no event: %v", err)
	}
	s.do(joined("w0"))
}

// TestMaxSplits: the driver's bound holds for a run as it is opened and as it
// is loaded.
func TestMaxSplits(t *testing.T) {
	s := newShell(t, Config{MaxSplits: 7})
	s.open(run1, scheduletest.Flow("start split-foreach body", "body linear join", ">join join end", "end end"))
	for _, when := range []string{"opened", "loaded"} {
		var most int64
		if err := s.View(t.Context(), run1, func(r *schedule.Run) { most = r.Definition().MaxSplits }); err != nil || most != 7 {
			t.Errorf("%s: %d splits, %v", when, most, err)
		}
		s.restart(nil)
	}
}

// TestQueueIsFull: an event that finds no room gives up with its caller.
func TestQueueIsFull(t *testing.T) {
	d := &Dispatcher{requests: make(chan *request), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Do(ctx, run1, schedule.VerifyAsked{}); !errors.Is(err, context.Canceled) {
		t.Errorf("told %v", err)
	}
	close(d.done)
	if _, err := d.Do(t.Context(), run1, schedule.VerifyAsked{}); !errors.Is(err, ErrStopped) {
		t.Errorf("told %v", err)
	}
}

// TestClock: the driver's time goes on from the store's.
func TestClock(t *testing.T) {
	future := time.Now().Add(time.Hour).UnixMilli()
	c := newClock(future)
	if now := c.now(); int64(now) < future {
		t.Errorf("the clock says %d, the store %d", now, future)
	}
	if left := c.until(c.now() - 1000); left != 0 {
		t.Errorf("a moment that has passed is %s away", left)
	}
}

// TestClockJumps: the machine's clock was two days ahead when the driver last
// wrote. What was leased then is still held, and time goes on from there.
func TestClockJumps(t *testing.T) {
	s := newShell(t, Config{})
	s.open(run1, oneStep())
	s.do(joined("w0"))
	g := s.grant("w0")
	s.do(started("w0", g))
	ahead := time.Now().Add(48 * time.Hour).UnixMilli()
	if err := s.store.Append(t.Context(), ahead, nil); err != nil {
		t.Fatal(err)
	}
	s.restart(nil)
	if _, err := s.Do(t.Context(), run1, schedule.Renewed{Incarnation: "w0", Task: g.Task, Token: g.Token}); err != nil {
		t.Errorf("a renewal after the jump: %v", err)
	}
	s.do(good("w0", g))
	next := s.grant("w0")
	s.do(started("w0", next))
	s.do(good("w0", next))
	if stored, err := s.store.Clock(t.Context()); err != nil || stored < ahead {
		t.Errorf("the clock went back to %d from %d, %v", stored, ahead, err)
	}
	if a := s.do(schedule.VerifyAsked{}).(schedule.VerifyAnswer); a.State != schedule.RunSucceeded {
		t.Errorf("the run is %+v", a)
	}
}

// TestHeldGangIsToldAtOnce: the last worker that a gang lacks decides for those
// that are held already, and they are told in the same round.
func TestHeldGangIsToldAtOnce(t *testing.T) {
	s := newShell(t, Config{LongPoll: time.Hour})
	s.open(run1, scheduletest.Flow("start split-parallel train", "train linear join", ">join join end", "end end"))
	s.do(schedule.Joined{Pool: "start", Incarnation: "s"})
	for _, size := range []int64{0, 3} {
		g := s.grant("s")
		s.do(started("s", g))
		done := good("s", g)
		if size > 0 {
			done.Succeeded = &schedule.Transition{Next: []string{"train"}, GangSize: size}
		}
		s.do(done)
	}
	var idle []<-chan told
	for i := range 3 {
		name := fmt.Sprintf("w%d", i)
		s.do(schedule.Joined{Pool: "train", Worker: i, Incarnation: name, Address: name + ":7000"})
		idle = append(idle, s.ask(t.Context(), name))
		if i < 2 {
			s.held(int64(i + 1))
		}
	}
	for rank, answer := range idle {
		got := <-answer
		if g, ok := got.answer.(schedule.Grant); !ok || g.Gang == nil || g.Gang.Rank != rank || g.Gang.MainAddress != "w0:7000" {
			t.Errorf("worker %d is told %+v, %v", rank, got.answer, got.err)
		}
	}
	s.held(0)
}
