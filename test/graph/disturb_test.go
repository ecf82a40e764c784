package graph

import (
	"errors"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
)

// disturb sends what must change nothing: requests of leases that are over, and
// requests that are wrong.
func (c *cluster) disturb() {
	switch {
	case !c.chance(c.sky.stale):
	case c.chance(0.3):
		c.babble()
	case len(c.ended) > 0:
		c.late()
	}
}

// late sends a request of a lease that is over.
func (c *cluster) late() {
	h := c.ended[c.rng.IntN(len(c.ended))]
	g := h.grant
	var ev schedule.Event
	switch c.rng.IntN(4) {
	case 0:
		ev = schedule.AttemptStarted{Incarnation: h.incarnation, Task: g.Task, Token: g.Token}
	case 1:
		ev = schedule.Renewed{Incarnation: h.incarnation, Task: g.Task, Token: g.Token}
	case 2:
		ev = schedule.Reported{
			Incarnation: h.incarnation, Task: g.Task, Token: g.Token, Attempt: max(h.attempt, 0),
			Failed: &schedule.Failure{Class: schedule.Final, Reason: "late"},
		}
	default:
		ev = schedule.Released{Incarnation: h.incarnation, Task: g.Task, Token: g.Token, Reason: "late"}
	}
	c.stats.late++
	answer, err := c.driver.do(ev)
	if errors.Is(err, schedule.ErrStale) || errors.Is(err, schedule.ErrUnknown) {
		return
	}
	// A report is answered with what stands on record; giving back what one
	// does not hold is no harm.
	a, reported := answer.(schedule.ReportAnswer)
	_, released := ev.(schedule.Released)
	if err != nil || !released && !reported || reported && a.Failed != nil && a.Failed.Reason == "late" {
		c.fail("%T %+v after its lease is answered %#v, %w", ev, ev, answer, err)
	}
}

// babble sends a request that names what is not there, or what is another's.
func (c *cluster) babble() {
	pick := func(words ...string) string { return words[c.rng.IntN(len(words))] }
	step := c.f.Steps[c.rng.IntN(len(c.f.Steps))].Name
	id := schedule.TaskID{
		Step: pick(step, step, "nowhere", flowdef.ParametersStep, ""),
		Task: pick("task", "task-0", "task-9", "task-0-0", "task-0-r7", "task-n9", "task--1", "task-00", "task-i3", "params", "", "t"),
	}
	incarnation := pick("nobody", "", c.nodes[c.rng.IntN(len(c.nodes))].name+"-0-1")
	token := uint64(c.rng.IntN(4)) * 1_000_000 // never one that was given
	events := []schedule.Event{
		schedule.LeaseAsked{Incarnation: "nobody"},
		schedule.Joined{Pool: "nowhere", Incarnation: "stranger"},
		schedule.Joined{Pool: step, Incarnation: "", Worker: 1},
		schedule.GateAsked{Pool: "nowhere"},
		schedule.AttemptStarted{Incarnation: incarnation, Task: id, Token: token},
		schedule.Renewed{Incarnation: incarnation, Task: id, Token: token},
		schedule.Reported{Incarnation: incarnation, Task: id, Token: token, Succeeded: &schedule.Transition{Next: []string{step}, NumSplits: 3}},
		schedule.Reported{Incarnation: incarnation, Task: id, Token: token, Failed: &schedule.Failure{Class: schedule.Final, Reason: "no such task"}},
		schedule.Reported{Incarnation: incarnation, Task: id, Token: token},
	}
	ev := events[c.rng.IntN(len(events))]
	answer, err := c.driver.do(ev)
	for _, class := range []error{schedule.ErrStale, schedule.ErrUnknown, schedule.ErrInvalid} {
		if errors.Is(err, class) {
			return
		}
	}
	c.fail("%T %+v is answered %#v, %w", ev, ev, answer, err)
}
