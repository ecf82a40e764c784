package launcher

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/lease"
	"github.com/millrace/millrace/internal/supervise"
	"github.com/millrace/millrace/internal/tasksocket"
)

// disallowRetry is Metaflow's METAFLOW_EXIT_DISALLOW_RETRY.
const disallowRetry = 202

// seen is all that an attempt's outcome depends on.
type seen struct {
	// parameters: the _parameters task, whose `init` runs no hook.
	parameters bool
	// exit is nil when the attempt ended before its child, or was adopted.
	exit *supervise.Exit
	// left is what the attempt stored.
	left tasksocket.Outcome
	// outOfMemory says how the kernel ended the child for its memory; empty
	// when it did not.
	outOfMemory string
	// stopped is why the child was ended, nil when it ended by itself.
	stopped error
	// trouble is the launcher's own, or the store's or service's.
	trouble error
	// refused: the trouble is one that no further attempt mends.
	refused bool
}

// verdict turns what was seen into the attempt's outcome:
//
//	lease lost                             none: write nothing more
//	exit 0, _task_ok, DONE                 succeeded, also when it was told to end meanwhile
//	run or gang over                       cancelled
//	the pod is being deleted               none: the lease is given back
//	code package refused                   final
//	trouble of launcher, store or service  infrastructure
//	@timeout                               user
//	exit 202                               final
//	killed for its memory                  user, marked: the driver forgives the first
//	anything else                          user
//
// The error is the case of none.
func verdict(s seen) (driverclient.Outcome, error) {
	switch {
	case errors.Is(s.stopped, lease.ErrLost):
		return driverclient.Outcome{}, s.stopped
	case s.left.Fenced:
		return driverclient.Outcome{}, fmt.Errorf("%w: a write was refused", lease.ErrLost)
	case s.trouble == nil && s.succeeded():
		return driverclient.Outcome{Succeeded: transition(s.left.Transition)}, nil
	case errors.Is(s.stopped, lease.ErrCancelled):
		return s.failed(driverclient.Cancelled, s.stopped.Error()), nil
	case errors.Is(s.stopped, errSignaled):
		return driverclient.Outcome{}, s.stopped
	case s.refused:
		return s.failed(driverclient.Final, s.trouble.Error()), nil
	case s.trouble != nil:
		return s.failed(driverclient.Infrastructure, s.trouble.Error()), nil
	case s.exit.TimedOut:
		return s.failed(driverclient.User, "timed out: the task did not end within its @timeout; "+s.exit.Reason), nil
	case s.exit.Code == disallowRetry:
		return s.failed(driverclient.Final, s.exit.Reason+": the task asked not to be tried again"), nil
	case s.outOfMemory != "":
		out := s.failed(driverclient.User, s.outOfMemory)
		out.Failed.OutOfMemory = true
		return out, nil
	case s.exit.Code != 0 && s.left.Trouble != nil:
		return s.failed(driverclient.Infrastructure, fmt.Sprintf("%s after trouble that is not the task's own: %v", s.exit.Reason, s.left.Trouble)), nil
	case s.exit.Code != 0:
		return s.failed(driverclient.User, s.exit.Reason), nil
	case s.parameters || !s.left.DoneWritten:
		return s.failed(driverclient.User, "exit code 0, but the task did not finish: something called os._exit or replaced the process"), nil
	case !ok(s.left.TaskOK):
		return s.failed(driverclient.User, "exit code 0, but the step did not finish: it called sys.exit"), nil
	}
	return s.failed(driverclient.Infrastructure, "the task succeeded, but where it goes on was not stored"), nil
}

// succeeded holds of the one way to succeed.
func (s seen) succeeded() bool {
	if s.exit == nil || s.exit.Code != 0 || s.exit.TimedOut || !s.left.DoneWritten {
		return false
	}
	return s.parameters || ok(s.left.TaskOK) && s.left.Transition != nil
}

func (s seen) failed(class driverclient.Class, reason string) driverclient.Outcome {
	f := &driverclient.Failure{Class: class, Reason: reason}
	if s.exit != nil {
		f.ExitCode = &s.exit.Code
	}
	return driverclient.Outcome{Failed: f}
}

// adoption is the verdict on an attempt whose end nobody reported, from its
// files alone. It is false when they do not say.
func adoption(attempt int, parameters bool, left tasksocket.Outcome) (driverclient.Outcome, bool) {
	out := driverclient.Outcome{Attempt: attempt, Adopted: true}
	switch {
	case !left.DoneWritten:
		return out, false
	case parameters:
		out.Succeeded = &driverclient.Transition{}
	case !ok(left.TaskOK):
		out.Failed = &driverclient.Failure{
			Class: driverclient.User, Reason: "the step failed; its worker ended before it could say how",
		}
	case left.Transition == nil:
		out.Failed = &driverclient.Failure{
			Class: driverclient.Infrastructure, Reason: "the step succeeded, but where it goes on was not stored",
		}
	default:
		out.Succeeded = transition(left.Transition)
	}
	return out, true
}

func ok(taskOK *bool) bool { return taskOK != nil && *taskOK }

// transition is nil-safe: that of the _parameters task is nobody's decision.
func transition(t *tasksocket.Transition) *driverclient.Transition {
	if t == nil {
		return &driverclient.Transition{}
	}
	return &driverclient.Transition{Next: t.Next, NumSplits: t.NumSplits, GangSize: t.GangSize}
}
