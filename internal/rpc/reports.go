package rpc

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/failpoint"
	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/schedule"
)

// reports is the ReportService.
type reports struct {
	millracev1.UnimplementedReportServiceServer
	*handlers
}

// StartAttempt consumes an attempt number.
func (s *reports) StartAttempt(ctx context.Context, in *millracev1.StartAttemptRequest) (*millracev1.StartAttemptResponse, error) {
	var c checks
	if c.held(in); c.err != nil {
		return nil, c.err
	}
	answer, err := s.do(ctx, in.GetRunId(), schedule.AttemptStarted{
		Incarnation: in.GetIncarnationId(), Slot: int(in.GetSlot()), Task: taskID(in.GetTask()), Token: in.GetToken(),
	}, failpoint.DriverReplyStart)
	if err != nil {
		return nil, err
	}
	switch a := answer.(type) {
	case schedule.StartAnswer:
		return &millracev1.StartAttemptResponse{Attempt: int32(a.Attempt), MaxUserCodeRetries: int32(a.MaxUserCodeRetries)}, nil
	case schedule.Ended:
		// The lease is of no use any more; the next question for one says
		// whether this worker exits 1.
		return nil, fmt.Errorf("%w: the run is %s: %s", schedule.ErrStale, a.State, a.Reason)
	}
	return nil, unexpected(answer)
}

// ReportTask records an attempt's outcome.
func (s *reports) ReportTask(ctx context.Context, in *millracev1.ReportTaskRequest) (*millracev1.ReportTaskResponse, error) {
	event, err := reported(in)
	if err != nil {
		return nil, err
	}
	answer, err := s.do(ctx, in.GetRunId(), event, failpoint.DriverReplyReport)
	if err != nil {
		return nil, err
	}
	recorded, ok := answer.(schedule.ReportAnswer)
	if !ok {
		return nil, unexpected(answer)
	}
	out := &millracev1.ReportTaskResponse{Retry: recorded.Retry, ExitFailed: recorded.ExitFailed}
	switch {
	case recorded.Succeeded != nil:
		out.Outcome = &millracev1.ReportTaskResponse_Succeeded{Succeeded: transitionProto(recorded.Succeeded)}
	case recorded.Failed != nil:
		out.Outcome = &millracev1.ReportTaskResponse_Failed{Failed: failureProto(recorded.Failed)}
	}
	return out, nil
}

func reported(in *millracev1.ReportTaskRequest) (schedule.Reported, error) {
	event := schedule.Reported{
		Incarnation: in.GetIncarnationId(), Slot: int(in.GetSlot()), Task: taskID(in.GetTask()), Token: in.GetToken(),
		Attempt: int(in.GetAttempt()), Adopted: in.GetAdopted(), Cloned: in.GetCloned(),
	}
	var c checks
	c.held(in)
	c.index("attempt", in.GetAttempt())
	switch o := in.GetOutcome().(type) {
	case *millracev1.ReportTaskRequest_Succeeded:
		c.transition(o.Succeeded)
		event.Succeeded = transitionOf(o.Succeeded)
	case *millracev1.ReportTaskRequest_Failed:
		c.failure(o.Failed)
		c.ok(!in.GetCloned(), "cloned", "only a success is taken over from another run")
		event.Failed = failureOf(o.Failed)
	default:
		c.ok(false, "outcome", "missing: one of succeeded and failed must be set")
	}
	return event, c.err
}
