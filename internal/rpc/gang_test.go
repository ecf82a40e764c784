package rpc

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// member joins a gang's pool.
func member(t *testing.T, c *driverclient.Client, pool, incarnation string, index int, address string) *worker {
	t.Helper()
	join := driverclient.Join{Pool: pool, Worker: index, Incarnation: incarnation, PodUID: "uid-" + incarnation, Address: address}
	if _, err := c.JoinPool(t.Context(), join); err != nil {
		t.Fatal(err)
	}
	return &worker{t, c, incarnation}
}

// TestGang: its members are leased at once and know each other. When one
// fails the others are told at once, and the gang runs again.
func TestGang(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("start split-parallel train", "train linear join", ">join join end", "end end"))
	start := join(t, c, "start", "s0")
	start.run(to())
	start.run(driverclient.Transition{Next: []string{"train"}, GangSize: 2})
	wantLists := []driverclient.WorkerList{{Step: "train", Workers: []int32{0, 1}}}
	if a := start.ask(); !a.Drained || !cmp.Equal(a.Lists, wantLists) {
		t.Errorf("start's worker is told %+v", a)
	}

	if _, err := c.JoinPool(t.Context(), driverclient.Join{Pool: "train", Incarnation: "none"}); !errors.Is(err, driverclient.ErrInvalid) || !strings.Contains(err.Error(), "address") {
		t.Errorf("a member without an address: %v", err)
	}
	workers := []*worker{member(t, c, "train", "t0", 0, "10.0.0.7:20001"), member(t, c, "train", "t1", 1, "10.0.0.8:20002")}
	tasks := form(t, workers)
	for rank, task := range tasks {
		want := &driverclient.Gang{Size: 2, Rank: rank, MainAddress: tasks[0].Gang.MainAddress, Members: []string{"task-n0", "task-n1"}}
		if !cmp.Equal(task.Gang, want) || *task.SplitIndex != int64(rank) || !cmp.Equal(task.Inputs.List, []driverclient.TaskRef{{Step: "start", TaskID: "task"}}) {
			t.Errorf("rank %d is %+v, %+v", rank, task, task.Gang)
		}
	}
	if main := tasks[0].Gang.MainAddress; main != "10.0.0.7:20001" && main != "10.0.0.8:20002" {
		t.Errorf("rank 0 is at %q", main)
	}

	// tasks are by rank, and so are the workers that hold them.
	session, err := c.OpenSession(t.Context(), workers[0].incarnation, tasks[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Renew(driverclient.Renewal{Sequence: 1}); err != nil {
		t.Fatal(err)
	}
	if n, err := session.Receive(); err != nil || n.Renewed == 0 {
		t.Fatalf("renewal: %+v, %v", n, err)
	}
	first := workers[0].start(tasks[0])
	workers[1].report(tasks[1], driverclient.Outcome{Attempt: workers[1].start(tasks[1]).Number, Failed: &driverclient.Failure{
		Class: driverclient.Infrastructure, Reason: "the store stayed away",
	}})
	n, err := session.Receive()
	if err != nil || n.Renewed != 0 || !strings.Contains(n.Cancel, "rank 1") || !strings.Contains(n.Cancel, "the store stayed away") {
		t.Fatalf("notice: %+v, %v", n, err)
	}
	told := driverclient.Outcome{Attempt: first.Number, Failed: &driverclient.Failure{Class: driverclient.Cancelled, Reason: n.Cancel}}
	if r := workers[0].report(tasks[0], told); r.ExitFailed {
		t.Errorf("the member that was told to end is answered %+v", r)
	}

	for rank, task := range form(t, workers) {
		a := workers[rank].start(task)
		if a.Number != 1 {
			t.Errorf("rank %d runs again as attempt %d", rank, a.Number)
		}
		workers[rank].report(task, driverclient.Outcome{Attempt: a.Number, Succeeded: &driverclient.Transition{Next: []string{"join"}}})
	}
	inputs := join(t, c, "join", "j0").task().Inputs.List
	if want := []driverclient.TaskRef{{Step: "train", TaskID: "task-n0"}, {Step: "train", TaskID: "task-n1"}}; !cmp.Equal(inputs, want) {
		t.Errorf("the join's inputs are %+v", inputs)
	}
}

// form has both workers ask and sorts them by the ranks they get.
func form(t *testing.T, workers []*worker) [2]*driverclient.Task {
	t.Helper()
	answers := make(chan driverclient.Answer, 1)
	go func() { answers <- workers[1].ask() }()
	mine := workers[0].ask()
	other := <-answers
	if mine.Task == nil || mine.Task.Gang == nil || other.Task == nil || other.Task.Gang == nil {
		t.Fatalf("no gang: %+v and %+v", mine, other)
	}
	if mine.Task.Gang.Rank == 0 {
		return [2]*driverclient.Task{mine.Task, other.Task}
	}
	workers[0], workers[1] = workers[1], workers[0]
	return [2]*driverclient.Task{other.Task, mine.Task}
}
