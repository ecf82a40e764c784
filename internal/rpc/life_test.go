package rpc

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/driverclient"
	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// worker is a launcher that does what it is told at once.
type worker struct {
	t           *testing.T
	c           *driverclient.Client
	incarnation string
}

func join(t *testing.T, c *driverclient.Client, pool, incarnation string) *worker {
	t.Helper()
	joined, err := c.JoinPool(t.Context(), driverclient.Join{Pool: pool, Incarnation: incarnation, PodUID: "uid-" + incarnation, PodName: "pod"})
	if err != nil {
		t.Fatal(err)
	}
	if p := policy(); joined.ExitFailed || joined.Terms.TTL.Milliseconds() != int64(p.TTL) || joined.Terms.LongestWrite.Milliseconds() != int64(p.LongestWrite) {
		t.Fatalf("joined: %+v", joined)
	}
	return &worker{t, c, incarnation}
}

func (w *worker) ask() driverclient.Answer {
	w.t.Helper()
	a, err := w.c.AcquireLease(w.t.Context(), w.incarnation, 0, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *worker) task() *driverclient.Task {
	w.t.Helper()
	a := w.ask()
	if a.Task == nil {
		w.t.Fatalf("%s got no task: %+v", w.incarnation, a)
	}
	return a.Task
}

func (w *worker) start(task *driverclient.Task) driverclient.Attempt {
	w.t.Helper()
	a, err := w.c.StartAttempt(w.t.Context(), w.incarnation, task)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *worker) report(task *driverclient.Task, o driverclient.Outcome) driverclient.Reported {
	w.t.Helper()
	r, err := w.c.ReportTask(w.t.Context(), w.incarnation, task, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// run takes one task to a good end.
func (w *worker) run(tr driverclient.Transition) *driverclient.Task {
	w.t.Helper()
	task := w.task()
	a := w.start(task)
	w.report(task, driverclient.Outcome{Attempt: a.Number, Succeeded: &tr})
	return task
}

func to(next ...string) driverclient.Transition { return driverclient.Transition{Next: next} }

func TestLifeOfARun(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("start split-foreach train", "train linear join", ">join join end", "end end"))

	first := join(t, c, "start", "s0")
	if task := first.run(to()); !task.Parameters || task.ParametersJSON != `{"alpha": 0.5}` {
		t.Errorf("the first task is %+v", task)
	}
	first.run(driverclient.Transition{Next: []string{"train"}, NumSplits: 3})
	wantLists := []driverclient.WorkerList{{Step: "train", Workers: []int32{0, 1, 2}}}
	if a := first.ask(); !a.Drained || !cmp.Equal(a.Lists, wantLists) {
		t.Errorf("start's worker is told %+v", a)
	}

	w := join(t, c, "train", "t0")
	task := w.run(to("join"))
	if *task.SplitIndex != 0 || !slices.Equal(task.IndexPath, []int64{0}) || !cmp.Equal(task.Inputs.List, []driverclient.TaskRef{{Step: "start", TaskID: "task"}}) {
		t.Errorf("the first split is %+v", task)
	}

	// A failure of the user's, which has no retry left, is the next test's;
	// this one is infrastructure's, and the task comes again.
	task = w.task()
	code := 137
	reported := w.report(task, driverclient.Outcome{Attempt: w.start(task).Number, Failed: &driverclient.Failure{
		Class: driverclient.Infrastructure, Reason: "the store stayed away", ExitCode: &code,
	}})
	if !reported.Retry || reported.ExitFailed {
		t.Errorf("after infrastructure's failure: %+v", reported)
	}
	again := w.task()
	if a := w.start(again); again.Ref != task.Ref && a.Number != 0 || again.Ref == task.Ref && (a.Number != 1 || a.MaxUserCodeRetries != 1) {
		t.Errorf("after the failure %v is leased as attempt %+v", again.Ref, a)
	} else {
		w.report(again, driverclient.Outcome{Attempt: a.Number, Succeeded: &driverclient.Transition{Next: []string{"join"}}})
	}
	w.run(to("join"))
	if a := w.ask(); !a.Drained {
		t.Errorf("train's worker is told %+v", a)
	}
	if a, err := c.AwaitGate(t.Context(), "train", "g0", 0); err != nil || !a.Drained {
		t.Errorf("train's gate is told %+v, %v", a, err)
	}

	task = join(t, c, "join", "j0").run(to("end"))
	want := driverclient.Inputs{Count: 3, Ranges: []driverclient.LeafRange{{Last: 2, Step: "train", Prefix: "task"}}}
	if !cmp.Equal(task.Inputs, want) {
		t.Errorf("the join's inputs are %+v", task.Inputs)
	}
	if state, missing, err := c.VerifyRun(t.Context()); err != nil || state != driverclient.RunRunning || missing == "" {
		t.Errorf("before the end the run is %s, %q, %v", state, missing, err)
	}
	join(t, c, "end", "e0").run(to())
	if state, _, err := c.VerifyRun(t.Context()); err != nil || state != driverclient.RunSucceeded {
		t.Errorf("the run is %s, %v", state, err)
	}
	if state, err := c.FinishRun(t.Context(), "COMPLETE", ""); err != nil || state != driverclient.RunSucceeded {
		t.Errorf("the finished run is %s, %v", state, err)
	}
	views(t, d)
}

// views checks what people see of the run of TestLifeOfARun.
func views(t *testing.T, d *driver) {
	people := d.client(serviceToken)
	var got []string
	err := people.ListTasks(t.Context(), "kfp-1", func(v *millracev1.TaskView) error {
		line := v.GetTask().GetStep() + "/" + v.GetTask().GetTaskId() + " " + v.GetState()
		for _, a := range v.GetAttempts() {
			line += " " + a.GetOutcome()
			if !a.GetStartedAt().IsValid() || !a.GetEndedAt().IsValid() {
				t.Errorf("%s: no times", line)
			}
			if f := a.GetFailure(); f != nil && (f.GetReason() != "the store stayed away" || f.GetExitCode() != 137) {
				t.Errorf("%s: %v", line, f)
			}
		}
		got = append(got, line)
		return nil
	})
	want := []string{
		"_parameters/params succeeded succeeded", "start/task succeeded succeeded",
		"train/task-0 succeeded succeeded", "train/task-1 succeeded failed succeeded", "train/task-2 succeeded succeeded",
		"join/task succeeded succeeded", "end/task succeeded succeeded",
	}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("tasks: %v %s", err, cmp.Diff(want, got))
	}
	run, err := people.GetRun(t.Context(), "kfp-1")
	if err != nil || len(run.GetPools()) != 4 || run.GetRun().GetFlow() != "TestFlow" || !run.GetRun().GetEndedAt().IsValid() {
		t.Errorf("run: %v, %v", run, err)
	}
	for _, flow := range []string{"", "TestFlow"} {
		if runs, err := people.ListRuns(t.Context(), flow); err != nil || len(runs) != 1 || runs[0].GetRunId() != "kfp-1" {
			t.Errorf("runs of %q: %v, %v", flow, runs, err)
		}
	}
	if runs, err := people.ListRuns(t.Context(), "Other"); err != nil || len(runs) != 0 {
		t.Errorf("runs of another flow: %v, %v", runs, err)
	}
}

func TestFailedRun(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("only end"))
	w := join(t, c, "only", "w0")
	w.run(to())
	task := w.task()
	a := w.start(task)
	code := 1
	failed := driverclient.Outcome{Attempt: a.Number, Failed: &driverclient.Failure{Class: driverclient.User, Reason: "boom", ExitCode: &code}}
	for range 2 { // a repeat is answered with what stands
		if r := w.report(task, failed); r.Retry || !r.ExitFailed {
			t.Errorf("the final failure is answered %+v", r)
		}
	}
	if got := w.ask(); got.Ended == nil || got.Ended.State != driverclient.RunFailed || !got.Ended.ExitFailed {
		t.Errorf("its worker is told %+v", got)
	}
	if got, err := c.AwaitGate(t.Context(), "only", "g0", 0); err != nil || got.Ended == nil {
		t.Errorf("its gate is told %+v, %v", got, err)
	}
}

func TestSession(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("only end"))
	w := join(t, c, "only", "w0")
	task := w.task()
	session, err := c.OpenSession(t.Context(), w.incarnation, task)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Renew(driverclient.Renewal{Sequence: 1, UsedBytes: 1, LimitBytes: 2, LogTail: []byte("hi")}); err != nil {
		t.Fatal(err)
	}
	n, err := session.Receive()
	if err != nil || n.Sequence != 1 || n.Renewed.Milliseconds() != int64(policy().TTL) {
		t.Fatalf("renewal: %+v, %v", n, err)
	}

	// A cancelled run is told at once, between renewals.
	if err := c.CancelRun(t.Context(), "kfp-1", "by hand"); err != nil {
		t.Fatal(err)
	}
	if n, err = session.Receive(); err != nil || n.Cancel == "" || n.Renewed != 0 {
		t.Fatalf("notice: %+v, %v", n, err)
	}

	// A lease given back is lost to its stream, which then ends.
	if err := c.ReleaseLease(t.Context(), w.incarnation, task, true, "test"); err != nil {
		t.Fatal(err)
	}
	if err := session.Renew(driverclient.Renewal{Sequence: 2}); err != nil {
		t.Fatal(err)
	}
	if n, err = session.Receive(); err != nil || n.Lost == "" || n.Sequence != 2 {
		t.Fatalf("notice: %+v, %v", n, err)
	}
	if _, err = session.Receive(); err == nil {
		t.Fatal("the stream of a lost lease goes on")
	}
	if _, err := c.StartAttempt(t.Context(), w.incarnation, task); !errors.Is(err, driverclient.ErrStale) {
		t.Errorf("an attempt on a lost lease: %v", err)
	}
}

// TestMemorySample: what a worker had in use when it was lost says why.
func TestMemorySample(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("only end"))
	w := join(t, c, "only", "w0")
	w.run(to())
	task := w.task()
	w.start(task)
	session, err := c.OpenSession(t.Context(), w.incarnation, task)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Renew(driverclient.Renewal{Sequence: 1, UsedBytes: 97 << 20, LimitBytes: 100 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Receive(); err != nil {
		t.Fatal(err)
	}
	people := d.client(serviceToken)
	if err := people.ReportPodGone(t.Context(), "kfp-1", "uid-w0"); err != nil {
		t.Fatal(err)
	}
	var last *millracev1.AttemptView
	err = people.ListTasks(t.Context(), "kfp-1", func(v *millracev1.TaskView) error {
		if attempts := v.GetAttempts(); v.GetTask().GetStep() == "only" {
			last = attempts[len(attempts)-1]
		}
		return nil
	})
	if f := last.GetFailure(); err != nil || !f.GetOutOfMemory() || !strings.Contains(f.GetReason(), "97 %") {
		t.Errorf("the lost attempt: %v, %v", last, err)
	}
}

func TestRestart(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("only end"))
	w := join(t, c, "only", "w0")
	task := w.task()
	session, err := c.OpenSession(t.Context(), w.incarnation, task)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Renew(driverclient.Renewal{Sequence: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Receive(); err != nil {
		t.Fatal(err)
	}
	d.restart()
	if _, err := session.Receive(); !errors.Is(err, driverclient.ErrUnavailable) {
		t.Errorf("a session over a stop: %v", err)
	}
	// The session token, the lease and its slot outlive the restart.
	if again := w.task(); again.Token != task.Token || again.Ref != task.Ref {
		t.Errorf("after the restart the slot holds %+v, before %+v", again, task)
	}
	a := w.start(task)
	w.report(task, driverclient.Outcome{Attempt: a.Number, Succeeded: &driverclient.Transition{}})
}

// TestHeldQuestion: an idle worker is held, and told of work the moment there
// is some; a stop lets it go.
func TestHeldQuestion(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("only end"))
	w, idle := join(t, c, "only", "w0"), join(t, c, "only", "w1")
	task := w.task()
	answers := make(chan driverclient.Answer, 1)
	go func() { answers <- idle.ask() }()
	a := w.start(task)
	w.report(task, driverclient.Outcome{Attempt: a.Number, Succeeded: &driverclient.Transition{}})
	if got := <-answers; got.Task == nil || got.Task.Parameters {
		t.Errorf("the held worker is told %+v", got)
	}
}
