package rpc

import (
	"errors"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// TestWrongTransitions: a task that goes on in a way its step cannot fails for
// good, by name; the run fails with it, and says so to whoever asks again.
func TestWrongTransitions(t *testing.T) {
	d := newDriver(t)
	type transition = driverclient.Transition
	branches := scheduletest.Flow("start split-switch a,b", "a linear end", "b linear end", "end end")
	fan := scheduletest.Flow("start split-foreach a", "a linear j", ">j join end", "end end")
	fan.MaxSplits = 10
	gang := scheduletest.Flow("start split-parallel a", "a linear j", ">j join end", "end end")
	static := scheduletest.Flow("start split-static a,b", "a linear j", "b linear j", ">j join end", "end end")
	for _, tt := range []struct {
		name string
		def  *flowdef.Definition
		tr   transition
		says string
	}{
		{"a case that is none", branches, to("c"), `the switch of step start goes on to one of`},
		{"no case", branches, to(), `the switch of step start goes on to one of`},
		{"two cases", branches, to("a", "b"), `the switch of step start goes on to one of`},
		{"a switch over a list", branches, transition{Next: []string{"a"}, NumSplits: 2}, "no foreach"},
		{"a foreach over nothing", fan, transition{Next: []string{"a"}}, "over nothing"},
		{"a foreach too wide", fan, transition{Next: []string{"a"}, NumSplits: 11}, "max-splits 10"},
		{"a foreach that is a gang", fan, transition{Next: []string{"a"}, NumSplits: 2, GangSize: 2}, "no num_parallel"},
		{"a gang larger than its pool", gang, transition{Next: []string{"a"}, GangSize: 5}, "at most 4 workers"},
		{"a gang of nobody", gang, to("a"), "must be at least 1"},
		{"a gang that is a foreach", gang, transition{Next: []string{"a"}, NumSplits: 2, GangSize: 2}, "no foreach"},
		{"a branch is missing", static, to("a"), "the deployed flow goes on to"},
		{"branches in another order", static, to("b", "a"), "the deployed flow goes on to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := d.open("kfp-"+strings.ReplaceAll(tt.name, " ", "-"), tt.def)
			w := join(t, c, "start", "s0")
			w.run(to())
			task := w.task()
			o := driverclient.Outcome{Attempt: w.start(task).Number, Succeeded: &tt.tr}
			for range 2 { // a repeat is answered with what stands
				if r := w.report(task, o); r.Retry || !r.ExitFailed {
					t.Errorf("the report is answered %+v", r)
				}
			}
			if a := w.ask(); a.Ended == nil || !a.Ended.ExitFailed || !strings.Contains(a.Ended.Reason, tt.says) {
				t.Errorf("the worker is told %+v", a.Ended)
			}
			if state, reason, err := c.VerifyRun(t.Context()); err != nil || state != driverclient.RunFailed || !strings.Contains(reason, tt.says) {
				t.Errorf("the run is %s: %q, %v", state, reason, err)
			}
		})
	}
}

// TestOldLease: what comes of a lease that is over is refused, whoever sends
// it, and the task's next lease knows nothing of it.
func TestOldLease(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("only end"))
	old, w := join(t, c, "only", "w0"), join(t, c, "only", "w1")
	old.run(to())
	task := old.task()
	number := old.start(task).Number
	if err := c.ReleaseLease(t.Context(), old.incarnation, task, true, "test"); err != nil {
		t.Fatal(err)
	}
	again := w.task()
	for name, err := range map[string]error{
		"start":   second(c.StartAttempt(t.Context(), old.incarnation, task)),
		"success": second(c.ReportTask(t.Context(), old.incarnation, task, driverclient.Outcome{Attempt: number + 1, Succeeded: &driverclient.Transition{}})),
		"failure": second(c.ReportTask(t.Context(), old.incarnation, task, driverclient.Outcome{Attempt: number + 1, Failed: &driverclient.Failure{Class: driverclient.Final, Reason: "late"}})),
		"theft":   second(c.StartAttempt(t.Context(), old.incarnation, again)),
	} {
		if !errors.Is(err, driverclient.ErrStale) {
			t.Errorf("%s of an old lease: %v", name, err)
		}
	}
	if next := w.start(again).Number; again.Ref != task.Ref || again.Token <= task.Token || next != number+1 {
		t.Errorf("after %+v attempt %d the task is leased as %+v attempt %d", task, number, again, next)
	}
	w.report(again, driverclient.Outcome{Attempt: number + 1, Succeeded: &driverclient.Transition{}})
	if state, reason, err := c.VerifyRun(t.Context()); err != nil || state != driverclient.RunSucceeded {
		t.Errorf("the run is %s: %q, %v", state, reason, err)
	}
}

func second[T any](_ T, err error) error { return err }
