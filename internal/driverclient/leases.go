package driverclient

import (
	"context"
	"time"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
)

// Join announces one incarnation of a worker.
type Join struct {
	Pool        string
	Worker      int
	Incarnation string
	RetryIndex  int
	PodUID      string
	PodName     string
	TraceID     string
	// Address is where others reach this pod, "host:port"; from the workers of
	// a gang's pool.
	Address string
}

// Joined is the driver's answer to a Join.
type Joined struct {
	// ExitFailed: this worker recorded the run's final failure; exit 1 now.
	ExitFailed bool
	Reason     string
	Terms      Terms
}

// JoinPool announces this incarnation. Idempotent.
func (c *Client) JoinPool(ctx context.Context, j Join) (Joined, error) {
	out, err := call(ctx, "JoinPool "+j.Pool, c.leases.JoinPool, &millracev1.JoinPoolRequest{
		Hello: c.hello(), RunId: c.run(), Pool: j.Pool, Worker: int32(j.Worker), IncarnationId: j.Incarnation,
		RetryIndex: int32(j.RetryIndex), PodUid: j.PodUID, PodName: j.PodName, TraceId: j.TraceID, Address: j.Address,
	}, c.inRun())
	if err != nil {
		return Joined{}, err
	}
	t := out.GetTerms()
	return Joined{
		ExitFailed: out.GetExitFailed(), Reason: out.GetReason(),
		Terms: Terms{
			TTL: t.GetTtl().AsDuration(), RenewEvery: t.GetRenewEvery().AsDuration(),
			OrphanGrace: t.GetOrphanGrace().AsDuration(), LongestWrite: t.GetLongestWrite().AsDuration(),
		},
	}, nil
}

// AcquireLease asks for a task for one slot; prefer names the split run last.
func (c *Client) AcquireLease(ctx context.Context, incarnation string, slot int, prefer string) (Answer, error) {
	out, err := call(ctx, "AcquireLease", c.leases.AcquireLease, &millracev1.AcquireLeaseRequest{
		RunId: c.run(), IncarnationId: incarnation, Slot: int32(slot), Prefer: prefer,
	}, c.inRun())
	if err != nil {
		return Answer{}, err
	}
	switch a := out.GetAnswer().(type) {
	case *millracev1.AcquireLeaseResponse_Task:
		return Answer{Task: task(slot, a.Task)}, nil
	case *millracev1.AcquireLeaseResponse_Leave:
		return Answer{Leave: true}, nil
	case *millracev1.AcquireLeaseResponse_Drained:
		return Answer{Drained: true, Lists: lists(a.Drained)}, nil
	case *millracev1.AcquireLeaseResponse_Ended:
		return Answer{Ended: ended(a.Ended)}, nil
	case *millracev1.AcquireLeaseResponse_GiveWay:
		return Answer{GiveWay: or(a.GiveWay, "the driver gives no reason")}, nil
	case *millracev1.AcquireLeaseResponse_Wait:
		return Answer{Wait: a.Wait.AsDuration()}, nil
	}
	// An answer of a newer driver that this build does not know: ask again.
	return Answer{Wait: time.Second}, nil
}

// AwaitGate asks whether a pool is drained. Incarnation and retry index are
// those of the gate's own pod.
func (c *Client) AwaitGate(ctx context.Context, pool, incarnation string, retryIndex int) (Answer, error) {
	out, err := call(ctx, "AwaitGate "+pool, c.leases.AwaitGate, &millracev1.AwaitGateRequest{
		Hello: c.hello(), RunId: c.run(), Pool: pool, IncarnationId: incarnation, RetryIndex: int32(retryIndex),
	}, c.inRun())
	if err != nil {
		return Answer{}, err
	}
	switch a := out.GetAnswer().(type) {
	case *millracev1.AwaitGateResponse_Drained:
		return Answer{Drained: true, Lists: lists(a.Drained)}, nil
	case *millracev1.AwaitGateResponse_Ended:
		return Answer{Ended: ended(a.Ended)}, nil
	case *millracev1.AwaitGateResponse_Pending:
		return Answer{Wait: a.Pending.AsDuration()}, nil
	}
	return Answer{Wait: time.Second}, nil
}

// ReleaseLease gives a task back without a verdict.
func (c *Client) ReleaseLease(ctx context.Context, incarnation string, t *Task, childGone bool, reason string) error {
	_, err := call(ctx, "ReleaseLease "+t.Ref.String(), c.leases.ReleaseLease, &millracev1.ReleaseLeaseRequest{
		RunId: c.run(), IncarnationId: incarnation, Slot: int32(t.Slot), Task: t.Ref.proto(), Token: t.Token,
		ChildGone: childGone, Reason: reason,
	}, c.inRun())
	return err
}

// LeavePool says goodbye. Best effort.
func (c *Client) LeavePool(ctx context.Context, incarnation string) error {
	_, err := call(ctx, "LeavePool", c.leases.LeavePool, &millracev1.LeavePoolRequest{RunId: c.run(), IncarnationId: incarnation}, c.inRun())
	return err
}

// String is "step/task".
func (r TaskRef) String() string { return r.Step + "/" + r.TaskID }

func (r TaskRef) proto() *millracev1.TaskRef {
	return &millracev1.TaskRef{Step: r.Step, TaskId: r.TaskID}
}

func task(slot int, t *millracev1.Task) *Task {
	out := &Task{
		Slot: slot, Token: t.GetToken(), Ref: TaskRef{Step: t.GetTask().GetStep(), TaskID: t.GetTask().GetTaskId()},
		Parameters: t.GetKind() == millracev1.TaskKind_TASK_KIND_PARAMETERS, ParametersJSON: t.GetParameters(),
		SplitIndex: t.SplitIndex, IndexPath: t.GetIndexPath(), CloneFrom: t.GetCloneFrom(), OriginRun: t.GetOriginRun(),
	}
	if t.AdoptAttempt != nil {
		out.AdoptAttempt = new(int(t.GetAdoptAttempt()))
	}
	if g := t.GetGang(); g != nil {
		out.Gang = &Gang{Size: int(g.GetSize()), Rank: int(g.GetRank()), MainAddress: g.GetMainAddress(), Members: g.GetMembers()}
	}
	for _, in := range t.GetInputs().GetList().GetTasks() {
		out.Inputs.List = append(out.Inputs.List, TaskRef{Step: in.GetStep(), TaskID: in.GetTaskId()})
	}
	ranges := t.GetInputs().GetRanges()
	out.Inputs.Count = ranges.GetCount()
	for _, r := range ranges.GetRanges() {
		out.Inputs.Ranges = append(out.Inputs.Ranges, LeafRange{
			First: r.GetFirst(), Last: r.GetLast(), Step: r.GetStep(), Prefix: r.GetPrefix(), Suffix: r.GetSuffix(),
		})
	}
	return out
}

func lists(d *millracev1.Drained) []WorkerList {
	out := make([]WorkerList, 0, len(d.GetLists()))
	for _, l := range d.GetLists() {
		out = append(out, WorkerList{Step: l.GetStep(), Workers: l.GetWorkers()})
	}
	return out
}

func ended(e *millracev1.RunEnded) *Ended {
	return &Ended{State: runState(e.GetState()), Reason: e.GetReason(), ExitFailed: e.GetExitFailed()}
}
