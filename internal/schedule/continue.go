package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// A task whose attempt numbers are used up by infrastructure, or by earlier
// tries of the run, goes on under a new id from attempt 0, with the budget that
// is left: "task-3" as "task-3-i1". The budget of infrastructure bounds how
// often; a re-opening makes it whole again. What follows the task takes the id
// that succeeded; the id that was left behind has failed. A gang goes on with
// all of its members.

// goOn gives a task that is about to be leased a new id, when it needs one and
// nothing under the present one is left to be adopted.
func (r *Run) goOn(t ref) {
	k := t.live()
	if k != nil && k.adoptable() == nil && r.plan(t).goesOn {
		r.emitContinued(t)
	}
}

// leaveBehind takes a task back from a lessee that found nothing to adopt under
// an id with no number left.
func (r *Run) leaveBehind(t ref, l *lease) {
	r.emit(LeaseEnded{Stamp: r.stamp(), Task: t.taskID(), Token: l.token, Reason: "goes on under a new id"})
	r.emitContinued(t)
}

func (r *Run) emitContinued(t ref) {
	r.emit(TaskContinued{Stamp: r.stamp(), Task: t.taskID(), As: t.idBefore(t.continuations() + 1).Task})
}

func (r *Run) applyTaskContinued(rec TaskContinued) error {
	t, err := r.find(rec.Task)
	if err != nil {
		return err
	}
	gang := t.g.gang
	if t.state() != waiting || t.taskID() != rec.Task || gang == nil && (t.live() == nil || t.nextNumber() == 0) || t.node().parameters {
		return fmt.Errorf("task %s/%s cannot go on under a new id, it is %s", rec.Task.Step, rec.Task.Task, t.state())
	}
	if as := t.idBefore(t.continuations() + 1).Task; as != rec.As {
		return fmt.Errorf("task %s/%s goes on as %q, want %q", rec.Task.Step, rec.Task.Task, clip(rec.As), as)
	}
	k := t.open()
	k.continued = append(k.continued, len(k.attempts))
	if gang != nil {
		gang.number, gang.begun = 0, false
	}
	return nil
}

// continuations is how often the task has gone on under a new id.
func (t ref) continuations() int {
	if k := t.live(); k != nil {
		return len(k.continued)
	}
	return 0
}

// idBefore is the id under which the task made its k-th continuation's
// attempts, the original one for 0.
func (t ref) idBefore(k int) TaskID {
	id := t.taskID()
	id.Task = strings.TrimSuffix(id.Task, continuation(t.continuations()))
	id.Task += continuation(k)
	return id
}

// continuation is the mark of the k-th continuation in an id.
func continuation(k int) string {
	if k == 0 {
		return ""
	}
	return "-i" + strconv.Itoa(k)
}
