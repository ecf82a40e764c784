package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/millrace/millrace/internal/failpoint"
	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/schedule"
)

// leases is the LeaseService.
type leases struct {
	millracev1.UnimplementedLeaseServiceServer
	*handlers
}

// JoinPool announces one incarnation of a worker.
func (s *leases) JoinPool(ctx context.Context, in *millracev1.JoinPoolRequest) (*millracev1.JoinPoolResponse, error) {
	if err := greet(in.GetHello()); err != nil {
		return nil, err
	}
	var c checks
	c.runID(in.GetRunId())
	c.identifier("pool", in.GetPool())
	c.index("worker", in.GetWorker())
	c.incarnation(in.GetIncarnationId())
	c.index("retry_index", in.GetRetryIndex())
	c.line("pod_uid", in.GetPodUid(), maxName)
	c.line("pod_name", in.GetPodName(), maxName)
	c.line("trace_id", in.GetTraceId(), maxName)
	c.address("address", in.GetAddress())
	if c.err != nil {
		return nil, c.err
	}
	answer, err := s.do(ctx, in.GetRunId(), schedule.Joined{
		Pool: in.GetPool(), Worker: int(in.GetWorker()), Incarnation: in.GetIncarnationId(), RetryIndex: int(in.GetRetryIndex()),
		PodUID: in.GetPodUid(), PodName: in.GetPodName(), Address: in.GetAddress(),
	}, failpoint.DriverReplyJoin)
	if err != nil {
		return nil, err
	}
	joined, ok := answer.(schedule.JoinAnswer)
	if !ok {
		return nil, unexpected(answer)
	}
	s.cfg.Logger.Info("worker joined", "run", in.GetRunId(), "pool", in.GetPool(), "worker", in.GetWorker(),
		"retry_index", in.GetRetryIndex(), "incarnation", in.GetIncarnationId(), "pod", in.GetPodName(), "trace", in.GetTraceId())
	return &millracev1.JoinPoolResponse{Hello: s.hello(), ExitFailed: joined.ExitFailed, Reason: joined.Reason, Terms: s.terms()}, nil
}

func (h *handlers) terms() *millracev1.LeaseTerms {
	p := h.cfg.Policy
	return &millracev1.LeaseTerms{
		Ttl: duration(p.TTL), RenewEvery: duration(p.RenewEvery), OrphanGrace: duration(p.OrphanGrace), LongestWrite: duration(p.LongestWrite),
	}
}

// AcquireLease asks for a task for one slot.
func (s *leases) AcquireLease(ctx context.Context, in *millracev1.AcquireLeaseRequest) (*millracev1.AcquireLeaseResponse, error) {
	var c checks
	c.runID(in.GetRunId())
	c.incarnation(in.GetIncarnationId())
	c.index("slot", in.GetSlot())
	if in.GetPrefer() != "" {
		c.matches(preferPattern, "prefer", in.GetPrefer(), "an index path, as 3-7")
	}
	if c.err != nil {
		return nil, c.err
	}
	began := time.Now()
	answer, err := s.hold(ctx, in.GetRunId(), schedule.LeaseAsked{
		Incarnation: in.GetIncarnationId(), Slot: int(in.GetSlot()), Prefer: in.GetPrefer(),
	}, failpoint.DriverReplyLease)
	if err != nil {
		return nil, err
	}
	out := &millracev1.AcquireLeaseResponse{}
	switch a := answer.(type) {
	case schedule.Grant:
		out.Answer = &millracev1.AcquireLeaseResponse_Task{Task: taskProto(a)}
	case schedule.Wait:
		out.Answer = &millracev1.AcquireLeaseResponse_Wait{Wait: s.wait(a, began)}
	case schedule.Leave:
		out.Answer = &millracev1.AcquireLeaseResponse_Leave{Leave: true}
	case schedule.Drained:
		out.Answer = &millracev1.AcquireLeaseResponse_Drained{Drained: drainedProto(a)}
	case schedule.Ended:
		out.Answer = &millracev1.AcquireLeaseResponse_Ended{Ended: endedProto(a)}
	case schedule.GiveWay:
		out.Answer = &millracev1.AcquireLeaseResponse_GiveWay{GiveWay: a.Reason}
	default:
		return nil, unexpected(answer)
	}
	return out, nil
}

const (
	// An asker that was held open may ask again almost at once: it is held
	// again. One that was not (too many are, or long polls are off) comes back
	// later.
	shortWait = 50 * time.Millisecond
	longWait  = time.Second
)

// wait is how long until the question is worth repeating.
func (h *handlers) wait(w schedule.Wait, began time.Time) *durationpb.Duration {
	pause := longWait
	if time.Since(began) >= longWait {
		pause = shortWait
	}
	if w.Until > 0 {
		pause = min(pause, max(h.cfg.Dispatcher.Until(w.Until), shortWait))
	}
	return durationpb.New(pause)
}

// ReleaseLease gives a task back without a verdict.
func (s *leases) ReleaseLease(ctx context.Context, in *millracev1.ReleaseLeaseRequest) (*millracev1.ReleaseLeaseResponse, error) {
	var c checks
	c.held(in)
	c.text("reason", in.GetReason())
	if c.err != nil {
		return nil, c.err
	}
	_, err := s.cfg.Dispatcher.Do(ctx, in.GetRunId(), schedule.Released{
		Incarnation: in.GetIncarnationId(), Slot: int(in.GetSlot()), Task: taskID(in.GetTask()), Token: in.GetToken(),
		ChildGone: in.GetChildGone(), Reason: in.GetReason(),
	})
	return &millracev1.ReleaseLeaseResponse{}, err
}

// LeavePool says goodbye.
func (s *leases) LeavePool(ctx context.Context, in *millracev1.LeavePoolRequest) (*millracev1.LeavePoolResponse, error) {
	var c checks
	c.runID(in.GetRunId())
	c.incarnation(in.GetIncarnationId())
	if c.err != nil {
		return nil, c.err
	}
	_, err := s.cfg.Dispatcher.Do(ctx, in.GetRunId(), schedule.Left{Incarnation: in.GetIncarnationId()})
	return &millracev1.LeavePoolResponse{}, err
}

// AwaitGate asks whether a pool is drained.
func (s *leases) AwaitGate(ctx context.Context, in *millracev1.AwaitGateRequest) (*millracev1.AwaitGateResponse, error) {
	if err := greet(in.GetHello()); err != nil {
		return nil, err
	}
	var c checks
	c.runID(in.GetRunId())
	c.identifier("pool", in.GetPool())
	if in.GetIncarnationId() != "" {
		c.incarnation(in.GetIncarnationId())
	}
	c.index("retry_index", in.GetRetryIndex())
	if c.err != nil {
		return nil, c.err
	}
	began := time.Now()
	answer, err := s.hold(ctx, in.GetRunId(), schedule.GateAsked{
		Pool: in.GetPool(), Incarnation: in.GetIncarnationId(), RetryIndex: int(in.GetRetryIndex()),
	}, failpoint.DriverReplyGate)
	if err != nil {
		return nil, err
	}
	out := &millracev1.AwaitGateResponse{}
	switch a := answer.(type) {
	case schedule.Wait:
		out.Answer = &millracev1.AwaitGateResponse_Pending{Pending: s.wait(a, began)}
	case schedule.Drained:
		out.Answer = &millracev1.AwaitGateResponse_Drained{Drained: drainedProto(a)}
	case schedule.Ended:
		out.Answer = &millracev1.AwaitGateResponse_Ended{Ended: endedProto(a)}
	default:
		return nil, unexpected(answer)
	}
	return out, nil
}

// ReportPodGone is proof that every process of a pod has ended.
func (s *leases) ReportPodGone(ctx context.Context, in *millracev1.ReportPodGoneRequest) (*millracev1.ReportPodGoneResponse, error) {
	var c checks
	c.runID(in.GetRunId())
	c.ok(in.GetPodUid() != "", "pod_uid", "missing")
	c.line("pod_uid", in.GetPodUid(), maxName)
	if c.err != nil {
		return nil, c.err
	}
	return &millracev1.ReportPodGoneResponse{}, s.cfg.Dispatcher.PodGone(ctx, in.GetRunId(), in.GetPodUid())
}
