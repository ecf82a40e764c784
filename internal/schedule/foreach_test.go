package schedule_test

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// runAlone runs a flow with one worker per pool asking in turn, and returns
// the run.
func runAlone(tb testing.TB, d *flowdef.Definition, splits int64, check bool) *schedule.Run {
	tb.Helper()
	r := schedule.NewRun(schedule.Default())
	now := schedule.Millis(0)
	step := func(ev schedule.Event) schedule.Answer {
		now++
		a, _, err := r.Step(now, ev)
		if err != nil {
			tb.Fatalf("%#v: %v", ev, err)
		}
		if check {
			if err := r.Check(); err != nil {
				tb.Fatalf("%#v: %v", ev, err)
			}
		}
		return a
	}
	decide := scheduletest.Drawn(1, d, splits)
	params := "{}"
	step(schedule.RunOpened{RunID: "kfp-1", Definition: d, DefinitionSHA256: "x", Parameters: &params})
	for _, s := range d.Steps {
		if s.Parallel {
			runGangs(tb, d, s.Name, decide, step)
			continue
		}
		step(schedule.Joined{Pool: s.Name, Incarnation: s.Name})
	pool:
		for {
			switch a := step(schedule.LeaseAsked{Incarnation: s.Name}).(type) {
			case schedule.Grant:
				st := step(schedule.AttemptStarted{Incarnation: s.Name, Task: a.Task, Token: a.Token}).(schedule.StartAnswer)
				tr := decide(a.Task, a.IndexPath)
				step(schedule.Reported{Incarnation: s.Name, Task: a.Task, Token: a.Token, Attempt: st.Attempt, Succeeded: &tr})
			case schedule.Drained:
				break pool
			default:
				tb.Fatalf("pool %s: %#v", s.Name, a)
			}
		}
	}
	if s := r.Snapshot().Run; s.State != schedule.RunSucceeded {
		tb.Fatalf("run is %s: %s", s.State, s.Reason)
	}
	return r
}

// runGangs drains the pool of a gang with as many workers as there may be.
func runGangs(tb testing.TB, d *flowdef.Definition, pool string, decide scheduletest.Decide, step func(schedule.Event) schedule.Answer) {
	tb.Helper()
	name := func(i int) string { return fmt.Sprintf("%s-%d", pool, i) }
	for i := range d.MaxWorkers {
		step(schedule.Joined{Pool: pool, Worker: i, Incarnation: name(i), Address: name(i) + ":1"})
	}
	for drained := 0; drained < d.MaxWorkers; {
		drained = 0
		for i := range d.MaxWorkers {
			switch a := step(schedule.LeaseAsked{Incarnation: name(i)}).(type) {
			case schedule.Grant:
				st := step(schedule.AttemptStarted{Incarnation: name(i), Task: a.Task, Token: a.Token}).(schedule.StartAnswer)
				tr := decide(a.Task, a.IndexPath)
				step(schedule.Reported{Incarnation: name(i), Task: a.Task, Token: a.Token, Attempt: st.Attempt, Succeeded: &tr})
			case schedule.Drained, schedule.Leave:
				drained++
			case schedule.Wait:
			default:
				tb.Fatalf("worker %s: %#v", name(i), a)
			}
		}
	}
}

func TestEveryShapeOfFlowRunsToItsEnd(t *testing.T) {
	for name, d := range scheduletest.Flows() {
		t.Run(name, func(t *testing.T) {
			if err := d.Validate(); err != nil {
				t.Fatal(err)
			}
			runAlone(t, d, 3, true)
		})
	}
}

// BenchmarkForeach runs a foreach of 100,000 splits through the core.
func BenchmarkForeach100k(b *testing.B) {
	for b.Loop() {
		runAlone(b, scheduletest.Flows()["foreach"], 100_000, false)
	}
}
