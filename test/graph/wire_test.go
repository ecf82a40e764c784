package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
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

// server is a whole driver over a database. Every so many calls it is stopped
// and started again.
type server struct {
	path  string
	mu    sync.Mutex
	pipe  *bufconn.Listener
	end   func()
	calls int
}

const callsPerLife = 3000

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{path: filepath.Join(t.TempDir(), "driver.db")}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.end() })
	return s
}

func (s *server) start() error {
	store, err := sqlite.Open(context.Background(), s.path)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	d, err := dispatch.New(context.Background(), dispatch.Config{Store: store, Policy: policy(), Logger: log})
	if err != nil {
		return err
	}
	served, err := rpc.New(rpc.Config{Dispatcher: d, Policy: policy(), Token: token, Build: "driver test", Logger: log})
	if err != nil {
		return err
	}
	pipe := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { d.Run(ctx); done <- struct{}{} }()
	go func() { _ = served.Serve(pipe); done <- struct{}{} }()
	s.pipe = pipe
	s.end = func() {
		patience, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		served.Shutdown(patience)
		cancel()
		<-done
		<-done
		_ = store.Close()
	}
	return nil
}

// count counts a call, and ends this life of the driver when it was the last.
func (s *server) count() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls++; s.calls%callsPerLife > 0 {
		return nil
	}
	s.end()
	return s.start()
}

func (s *server) dial(context.Context, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pipe.Dial()
}

// wire is the driver as launchers reach it: the events of one run as calls.
type wire struct {
	ctx    context.Context
	s      *server
	c      *driverclient.Client
	direct *direct
}

func newWire(ctx context.Context, s *server, runID string, def *flowdef.Definition) (*wire, error) {
	config := driverclient.Config{Address: "127.0.0.1:1", Token: token, Program: "launcher test"}
	c, err := driverclient.Dial(config, grpc.WithContextDialer(s.dial))
	if err != nil {
		return nil, err
	}
	d, err := newDirect(ctx, nil, runID, def)
	return &wire{ctx, s, c, d}, err
}

// again makes a call until the driver is there.
func (w *wire) again(call func() error) error {
	for {
		err := w.s.count()
		if err == nil {
			err = call()
		}
		if !errors.Is(err, driverclient.ErrUnavailable) {
			return err
		}
		select {
		case <-w.ctx.Done():
			return w.ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (w *wire) open(parameters *string, resume *schedule.Resume) error {
	open := driverclient.OpenRun{RunID: w.direct.runID, Definition: w.direct.raw, DefinitionSHA256: w.direct.sum, Parameters: parameters}
	if resume != nil {
		open.Resume = &driverclient.Resume{OriginRun: resume.OriginRun, Step: resume.Step}
	}
	return w.again(func() error { return w.c.OpenRun(w.ctx, open) })
}

// do makes the call of an event; errors and answers become those of the core.
func (w *wire) do(ev schedule.Event) (answer schedule.Answer, err error) {
	tries := 0
	err = w.again(func() error {
		tries++
		answer, err = w.call(ev)
		return err
	})
	if _, released := ev.(schedule.Released); released && tries > 1 && errors.Is(err, driverclient.ErrStale) {
		return schedule.Done{}, nil // the first was taken, its answer lost
	}
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
