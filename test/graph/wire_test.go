package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/rpc"
	"github.com/millrace/millrace/internal/runstore/sqlite"
	"github.com/millrace/millrace/internal/schedule"
)

const token = "the service token"

// newServer starts a whole driver over a database, and returns what reaches it.
func newServer(t *testing.T) *bufconn.Listener {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "driver.db"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	d, err := dispatch.New(t.Context(), dispatch.Config{Store: store, Policy: policy(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	server, err := rpc.New(rpc.Config{Dispatcher: d, Policy: policy(), Token: token, Build: "driver test", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	pipe := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { d.Run(ctx); done <- struct{}{} }()
	go func() { _ = server.Serve(pipe); done <- struct{}{} }()
	t.Cleanup(func() {
		patience, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		server.Shutdown(patience)
		cancel()
		<-done
		<-done
		_ = store.Close()
	})
	return pipe
}

// wire is the driver as launchers reach it: the events of one run as calls.
type wire struct {
	ctx    context.Context
	c      *driverclient.Client
	direct *direct
}

func newWire(ctx context.Context, pipe *bufconn.Listener, runID string, def *flowdef.Definition) (*wire, error) {
	dial := grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return pipe.Dial() })
	c, err := driverclient.Dial(driverclient.Config{Address: "127.0.0.1:1", Token: token, Program: "launcher test"}, dial)
	if err != nil {
		return nil, err
	}
	d, err := newDirect(ctx, nil, runID, def)
	return &wire{ctx, c, d}, err
}

func (w *wire) open(parameters *string, resume *schedule.Resume) error {
	open := driverclient.OpenRun{RunID: w.direct.runID, Definition: w.direct.raw, DefinitionSHA256: w.direct.sum, Parameters: parameters}
	if resume != nil {
		open.Resume = &driverclient.Resume{OriginRun: resume.OriginRun, Step: resume.Step}
	}
	return w.c.OpenRun(w.ctx, open)
}

// do makes the call of an event; errors and answers become those of the core.
func (w *wire) do(ev schedule.Event) (schedule.Answer, error) {
	answer, err := w.call(ev)
	for _, class := range []struct{ wire, core error }{
		{driverclient.ErrStale, schedule.ErrStale},
		{driverclient.ErrUnknown, schedule.ErrUnknown},
		{driverclient.ErrInvalid, schedule.ErrInvalid},
		{driverclient.ErrDenied, schedule.ErrUnknown}, // before the run is open
	} {
		if errors.Is(err, class.wire) {
			return nil, fmt.Errorf("%w: %w", class.core, err)
		}
	}
	return answer, err
}

func (w *wire) call(ev schedule.Event) (schedule.Answer, error) {
	switch ev := ev.(type) {
	case schedule.Joined:
		a, err := w.c.JoinPool(w.ctx, driverclient.Join{
			Pool: ev.Pool, Worker: ev.Worker, Incarnation: ev.Incarnation, RetryIndex: ev.RetryIndex, PodUID: ev.PodUID, PodName: ev.PodName,
			Address: ev.Address,
		})
		return schedule.JoinAnswer{ExitFailed: a.ExitFailed, Reason: a.Reason}, err
	case schedule.LeaseAsked:
		a, err := w.c.AcquireLease(w.ctx, ev.Incarnation, ev.Slot, ev.Prefer)
		return answered(a), err
	case schedule.GateAsked:
		a, err := w.c.AwaitGate(w.ctx, ev.Pool, ev.Incarnation, ev.RetryIndex)
		return answered(a), err
	case schedule.WorkerGone:
		return schedule.Done{}, w.c.ReportPodGone(w.ctx, w.direct.runID, "uid-"+ev.Incarnation)
	case schedule.Left:
		return schedule.Done{}, w.c.LeavePool(w.ctx, ev.Incarnation)
	case schedule.VerifyAsked:
		state, reason, err := w.c.VerifyRun(w.ctx)
		return schedule.VerifyAnswer{State: schedule.RunState(state), Reason: reason}, err
	case schedule.Finished:
		_, err := w.c.FinishRun(w.ctx, ev.KFPState, ev.Message)
		return schedule.Done{}, err
	}
	return w.ofLease(ev)
}

func leased(id schedule.TaskID, token uint64) *driverclient.Task {
	return &driverclient.Task{Ref: driverclient.TaskRef{Step: id.Step, TaskID: id.Task}, Token: token}
}

// ofLease makes the calls of one who holds a lease.
func (w *wire) ofLease(ev schedule.Event) (schedule.Answer, error) {
	switch ev := ev.(type) {
	case schedule.AttemptStarted:
		a, err := w.c.StartAttempt(w.ctx, ev.Incarnation, leased(ev.Task, ev.Token))
		return schedule.StartAnswer{Attempt: a.Number, MaxUserCodeRetries: a.MaxUserCodeRetries}, err
	case schedule.Renewed:
		return w.renew(ev)
	case schedule.Released:
		return schedule.Done{}, w.c.ReleaseLease(w.ctx, ev.Incarnation, leased(ev.Task, ev.Token), ev.ChildGone, ev.Reason)
	case schedule.Reported:
		o := driverclient.Outcome{Attempt: ev.Attempt, Adopted: ev.Adopted, Cloned: ev.Cloned, Failed: &driverclient.Failure{}}
		if tr := ev.Succeeded; tr != nil {
			o.Succeeded = &driverclient.Transition{Next: tr.Next, NumSplits: tr.NumSplits, GangSize: tr.GangSize}
		} else if ev.Failed != nil {
			o.Failed = &driverclient.Failure{Class: driverclient.Class(ev.Failed.Class), Reason: ev.Failed.Reason}
		}
		a, err := w.c.ReportTask(w.ctx, ev.Incarnation, leased(ev.Task, ev.Token), o)
		out := schedule.ReportAnswer{Retry: a.Retry, ExitFailed: a.ExitFailed}
		if !a.Retry && !a.ExitFailed {
			out.Succeeded = ev.Succeeded
		}
		return out, err
	default:
		return nil, fmt.Errorf("no call for %T", ev)
	}
}

// renew opens the lease's stream for one renewal.
func (w *wire) renew(ev schedule.Renewed) (schedule.Answer, error) {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	session, err := w.c.OpenSession(ctx, ev.Incarnation, leased(ev.Task, ev.Token))
	if err != nil {
		return nil, err
	}
	if err := session.Renew(driverclient.Renewal{Sequence: 1}); err != nil {
		return nil, err
	}
	n, err := session.Receive()
	switch {
	case err != nil:
		return nil, err
	case n.Lost != "":
		return nil, fmt.Errorf("%w: %s", driverclient.ErrStale, n.Lost)
	}
	return schedule.RenewAnswer{TTL: schedule.Millis(n.Renewed.Milliseconds()), Cancel: n.Cancel}, nil
}

func answered(a driverclient.Answer) schedule.Answer {
	switch {
	case a.Task != nil:
		return granted(a.Task)
	case a.Leave:
		return schedule.Leave{}
	case a.GiveWay != "":
		return schedule.GiveWay{Reason: a.GiveWay}
	case a.Ended != nil:
		return schedule.Ended{State: schedule.RunState(a.Ended.State), Reason: a.Ended.Reason, ExitFailed: a.Ended.ExitFailed}
	case a.Drained:
		var out schedule.Drained
		for _, l := range a.Lists {
			out.Lists = append(out.Lists, schedule.WorkerList{Step: l.Step, Workers: len(l.Workers)})
		}
		return out
	}
	return schedule.Wait{}
}

func granted(t *driverclient.Task) schedule.Grant {
	g := schedule.Grant{
		Token: t.Token, Task: schedule.TaskID{Step: t.Ref.Step, Task: t.Ref.TaskID}, Parameters: t.Parameters, ParametersJSON: t.ParametersJSON,
		SplitIndex: t.SplitIndex, IndexPath: t.IndexPath, AdoptAttempt: t.AdoptAttempt, CloneFrom: t.CloneFrom,
	}
	for _, in := range t.Inputs.List {
		g.Inputs.List = append(g.Inputs.List, schedule.TaskID{Step: in.Step, Task: in.TaskID})
	}
	g.Inputs.Count = t.Inputs.Count
	for _, r := range t.Inputs.Ranges {
		g.Inputs.Ranges = append(g.Inputs.Ranges, schedule.LeafRange(r))
	}
	if t.Gang != nil {
		g.Gang = &schedule.Gang{Size: t.Gang.Size, Rank: t.Gang.Rank, MainAddress: t.Gang.MainAddress, Members: t.Gang.Members}
	}
	return g
}
