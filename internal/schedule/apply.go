package schedule

import "fmt"

// Apply takes a record that an earlier Run decided. It never decides. An
// error means that the log is damaged or from another run.
func (r *Run) Apply(rec Record) error {
	if rec == nil {
		return fmt.Errorf("schedule: apply: no record")
	}
	if err := r.apply(rec); err != nil {
		return fmt.Errorf("schedule: apply %s record: %w", rec.Kind(), err)
	}
	return nil
}

func (r *Run) apply(rec Record) error {
	r.now = max(r.now, rec.When())
	if open, ok := rec.(RunOpenedRecord); ok {
		return r.applyRunOpened(open)
	}
	if r.graph == nil {
		return fmt.Errorf("the log does not start with run_opened")
	}
	switch rec := rec.(type) {
	case ParametersGiven:
		r.parameters, r.resume = &rec.Parameters, rec.Resume
		return nil
	case WorkerJoined:
		return r.applyWorkerJoined(rec)
	case IncarnationGone:
		return r.applyIncarnationGone(rec)
	case GateJoined:
		return r.applyGateJoined(rec)
	case LeaseGranted:
		return r.applyLeaseGranted(rec)
	case LeaseEnded:
		return r.applyLeaseEnded(rec)
	case AttemptBegun:
		return r.applyAttemptBegun(rec)
	case AttemptSucceeded:
		return r.applyAttemptSucceeded(rec)
	case AttemptFailed:
		return r.applyAttemptFailed(rec)
	case RoundEnded:
		return r.applyRoundEnded(rec)
	case TaskGivenUp:
		return r.applyTaskGivenUp(rec)
	case TaskContinued:
		return r.applyTaskContinued(rec)
	case RunEnded:
		return r.applyRunEnded(rec)
	case ExitChosen:
		return r.applyExitChosen(rec)
	case RunClosed:
		r.closed = true
		return nil
	case RunReopened:
		return r.applyRunReopened()
	default:
		return fmt.Errorf("unknown record %T", rec)
	}
}
