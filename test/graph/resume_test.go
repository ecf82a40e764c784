package graph

import (
	"context"
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/test/flowgen"
)

// origin is a run that another goes on from: what had succeeded there, by
// place, and the step that is to run again.
type origin struct {
	schedule.Resume
	done map[string]bool
	// cloned are the places that were taken over so far.
	cloned map[string]bool
}

// TestResumed plays runs that go on from another, which came to a random
// point: what had succeeded is taken over, and nothing that follows from what
// was not.
func TestResumed(t *testing.T) {
	d := newDispatcher(t)
	playAll(t, *flows/5, func(ctx context.Context, runID string, def *flowdef.Definition) (driver, error) {
		return newDirect(ctx, d, runID, def)
	}, (*cluster).resumes)
}

// resumes makes the cluster's run go on from another.
func (c *cluster) resumes(tasks []*flowgen.Task) {
	o := &origin{Resume: schedule.Resume{OriginRun: "kfp-origin"}, done: map[string]bool{}, cloned: map[string]bool{}}
	if c.chance(0.5) {
		o.Step = tasks[c.rng.IntN(len(tasks))].Step
	}
	failing := 1 / float64(1+c.rng.IntN(len(tasks)))
	for _, t := range tasks {
		good := !c.chance(failing)
		for _, in := range t.Inputs {
			good = good && o.done[in.Step+"/"+in.ID]
		}
		o.done[t.Step+"/"+t.ID] = good
	}
	c.origin = o
}

// whole tells whether the task, and its gang with it, had succeeded in the
// origin run.
func (o *origin) whole(g schedule.Grant) bool {
	if g.Gang == nil {
		return g.Parameters || o.done[place(g.Task)]
	}
	for _, id := range g.Gang.Members {
		if !o.done[place(schedule.TaskID{Step: g.Task.Step, Task: id})] {
			return false
		}
	}
	return true
}

// checkClone: a task is to be taken over when all its inputs were, unless its
// step is to run again.
func (c *cluster) checkClone(g schedule.Grant) {
	want := ""
	if o := c.origin; o != nil && g.Task.Step != o.Step {
		want = o.OriginRun
		for _, in := range expand(g.Inputs) {
			if !o.cloned[place(in)] {
				want = ""
			}
		}
	}
	if g.CloneFrom != want {
		c.fail("%v is to be taken over from run %q, not from %q", g.Task, g.CloneFrom, want)
	}
}

// noteClone remembers how a place came to its success.
func (c *cluster) noteClone(id schedule.TaskID, cloned bool) {
	if c.origin != nil {
		c.origin.cloned[place(id)] = cloned
	}
	if cloned {
		c.stats.cloned++
	}
}

func (o *origin) resume() *schedule.Resume {
	if o == nil {
		return nil
	}
	return &o.Resume
}

func (o *origin) String() string {
	if o == nil {
		return ""
	}
	return fmt.Sprintf(" (goes on %s)", &o.Resume)
}
