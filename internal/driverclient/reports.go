package driverclient

import (
	"context"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
)

// Attempt is a consumed attempt number.
type Attempt struct {
	Number             int
	MaxUserCodeRetries int
}

// StartAttempt consumes an attempt number. Idempotent by token.
func (c *Client) StartAttempt(ctx context.Context, incarnation string, t *Task) (Attempt, error) {
	out, err := call(ctx, "StartAttempt "+t.Ref.String(), c.report.StartAttempt, &millracev1.StartAttemptRequest{
		RunId: c.run(), IncarnationId: incarnation, Slot: int32(t.Slot), Task: t.Ref.proto(), Token: t.Token,
	}, c.inRun())
	return Attempt{Number: int(out.GetAttempt()), MaxUserCodeRetries: int(out.GetMaxUserCodeRetries())}, err
}

// Reported is what stands on record after a report.
type Reported struct {
	// Retry: the task will be leased again.
	Retry bool
	// ExitFailed: this report ended the run; this worker exits 1.
	ExitFailed bool
}

// ReportTask records an attempt's outcome and ends the lease.
func (c *Client) ReportTask(ctx context.Context, incarnation string, t *Task, o Outcome) (Reported, error) {
	in := &millracev1.ReportTaskRequest{
		RunId: c.run(), IncarnationId: incarnation, Slot: int32(t.Slot), Task: t.Ref.proto(), Token: t.Token,
		Attempt: int32(o.Attempt), Adopted: o.Adopted, Cloned: o.Cloned,
	}
	if o.Succeeded != nil {
		in.Outcome = &millracev1.ReportTaskRequest_Succeeded{Succeeded: &millracev1.Transition{
			Next: o.Succeeded.Next, NumSplits: o.Succeeded.NumSplits, GangSize: o.Succeeded.GangSize,
		}}
	} else {
		in.Outcome = &millracev1.ReportTaskRequest_Failed{Failed: failure(o.Failed)}
	}
	out, err := call(ctx, "ReportTask "+t.Ref.String(), c.report.ReportTask, in, c.inRun())
	return Reported{Retry: out.GetRetry(), ExitFailed: out.GetExitFailed()}, err
}

func failure(f *Failure) *millracev1.Failure {
	out := &millracev1.Failure{Reason: f.Reason, OutOfMemory: f.OutOfMemory}
	switch f.Class {
	case User:
		out.Class = millracev1.FailureClass_FAILURE_CLASS_USER
	case Infrastructure:
		out.Class = millracev1.FailureClass_FAILURE_CLASS_INFRASTRUCTURE
	case Final:
		out.Class = millracev1.FailureClass_FAILURE_CLASS_FINAL
	case Cancelled:
		out.Class = millracev1.FailureClass_FAILURE_CLASS_CANCELLED
	}
	if f.ExitCode != nil {
		out.ExitCode = new(int32(*f.ExitCode))
	}
	return out
}
