package graph

import (
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
)

// place is a task's place, "step/id" without the suffix of a continuation.
func place(id schedule.TaskID) string {
	if at := strings.LastIndex(id.Task, "-i"); at >= 0 {
		return id.Step + "/" + id.Task[:at]
	}
	return id.Step + "/" + id.Task
}

// child is what user code does in an attempt: its outcome is decided when it
// starts, and written when it ends.
func (c *cluster) child(p *pod, a schedule.StartAnswer) {
	id := p.lease.grant.Task
	if a.Attempt > 5 || a.MaxUserCodeRetries < -1 {
		c.fail("%v gets attempt %d with %d retries; Metaflow knows attempts 0 to 5", id, a.Attempt, a.MaxUserCodeRetries)
	}
	if task := c.want[place(id)]; task != nil && c.f.Step(task.Step).Catch && a.Attempt > a.MaxUserCodeRetries {
		c.raised[place(id)] = 1000 // the fallback cannot fail
	}
	if task := c.want[place(id)]; task != nil && task.Caught && a.Attempt >= a.MaxUserCodeRetries {
		c.raised[place(id)] = 1000 // @catch handles it
	}
}

// raises tells whether the attempt fails: as the flow drew it, or because the
// place is doomed.
func (c *cluster) raises(id schedule.TaskID) bool {
	if c.doomed == place(id) {
		return true
	}
	task := c.want[place(id)]
	return task != nil && c.raised[together(id)] < task.Fails
}

// together is the place that counts failures: that of a whole gang for its
// members.
func together(id schedule.TaskID) string {
	at := place(id)
	if rank := strings.LastIndex(at, "-n"); rank >= 0 {
		return at[:rank]
	}
	return at
}

// commit ends the child, writes its outcome, and reports it unless the pod dies
// in between.
func (c *cluster) commit(p *pod) {
	id := p.lease.grant.Task
	clone := p.lease.grant.CloneFrom != "" && c.origin.whole(p.lease.grant)
	good := clone || !c.raises(id)
	key := attemptKey{id, p.lease.attempt}
	if was, there := c.store[key]; there && id.Step == flowdef.ParametersStep {
		good = was
	}
	c.store[key], c.clones[key] = good, clone
	if p.retryIndex < restarts-1 && c.chance(c.sky.die) {
		c.died(p)
		return
	}
	c.report(p, good, false)
}

func (c *cluster) report(p *pod, good, adopted bool) {
	id := p.lease.grant.Task
	if good {
		c.reportSuccess(p, adopted)
		return
	}
	// A gang's round fails once, however many of its members do.
	_, continuation, _ := strings.Cut(id.Task, "-i")
	round := attemptKey{schedule.TaskID{Step: together(id), Task: continuation}, p.lease.attempt}
	if p.lease.grant.Gang == nil || !c.broke[round] {
		c.raised[together(id)]++
	}
	c.broke[round] = true
	c.stats.failures++
	class := schedule.User
	if c.doomed == place(id) {
		class = schedule.Final
	}
	c.reportFailure(p, schedule.Failure{Class: class, Reason: "exit code 1"}, adopted)
}

func (c *cluster) reportSuccess(p *pod, adopted bool) {
	id := p.lease.grant.Task
	ev := schedule.Reported{
		Incarnation: p.incarnation, Task: id, Token: p.lease.grant.Token, Attempt: p.lease.attempt, Adopted: adopted,
		Succeeded: &schedule.Transition{}, Cloned: c.clones[attemptKey{id, p.lease.attempt}],
	}
	if task := c.want[place(id)]; task != nil {
		ev.Succeeded = &schedule.Transition{Next: task.Next, NumSplits: task.NumSplits, GangSize: task.GangSize}
	}
	answer, ok := c.sent(p, ev)
	if !ok {
		return
	}
	p.lease.reported = true
	if answer.Succeeded == nil || answer.ExitFailed {
		c.fail("the success of %v is answered %+v", id, answer)
	}
	if other, twice := c.got[place(id)]; twice && other != id.Task {
		c.fail("%v succeeded, and %s before", id, other)
	}
	c.got[place(id)] = id.Task
	c.noteClone(id, ev.Cloned)
	c.stats.tasks++
	if adopted {
		c.stats.adopted++
	}
	if place(id) != id.Step+"/"+id.Task {
		c.stats.continued++
	}
	c.drop(p)
}

func (c *cluster) reportFailure(p *pod, f schedule.Failure, adopted bool) {
	id := p.lease.grant.Task
	answer, ok := c.sent(p, schedule.Reported{
		Incarnation: p.incarnation, Task: id, Token: p.lease.grant.Token, Attempt: p.lease.attempt, Failed: &f, Adopted: adopted,
	})
	if !ok {
		return
	}
	p.lease.reported = true
	doomed := f.Class == schedule.Final
	if doomed {
		c.doomed, c.runFailed = "", true
	}
	if p.lease.grant.Gang == nil && (answer.Retry == doomed || answer.ExitFailed != doomed) {
		c.fail("the failure %+v of %v is answered %+v", f, id, answer)
	}
	c.drop(p)
	if answer.ExitFailed {
		c.exit(p, false)
	}
}

// sent reports; the lease may be over when its gang's round is.
func (c *cluster) sent(p *pod, ev schedule.Reported) (schedule.ReportAnswer, bool) {
	answer, ok := c.ofLease(p, ev)
	a, reported := answer.(schedule.ReportAnswer)
	if ok && !reported {
		c.fail("%+v is answered %#v", ev, answer)
	}
	return a, ok && reported
}

// cancelled ends the child that was told to end.
func (c *cluster) cancelled(p *pod) {
	g := p.lease.grant
	answer, ok := c.sent(p, schedule.Reported{
		Incarnation: p.incarnation, Task: g.Task, Token: g.Token, Attempt: p.lease.attempt,
		Failed: &schedule.Failure{Class: schedule.CancelledClass, Reason: "cancelled"},
	})
	if !ok {
		return
	}
	c.drop(p)
	if answer.ExitFailed {
		c.exit(p, false)
	}
}
