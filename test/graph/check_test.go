package graph

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/test/flowgen"
)

// checkGrant compares a granted task with the model's.
func (c *cluster) checkGrant(p *pod, g schedule.Grant) {
	c.checkClone(g)
	if g.Parameters {
		if g.Task != (schedule.TaskID{Step: flowdef.ParametersStep, Task: "params"}) || g.ParametersJSON != parameters || p.node.step != c.f.Start {
			c.fail("%s is given %+v", p.incarnation, g)
		}
		return
	}
	task := c.want[place(g.Task)]
	if task == nil || g.Task.Step != p.node.step {
		c.fail("%s is given %v, which is not to be", p.incarnation, g.Task)
		return
	}
	if g.Gang != nil {
		c.newRound(g)
	}
	if id, done := c.got[place(g.Task)]; done {
		c.fail("%v is given, and %s succeeded at its place", g.Task, id)
	}
	var split *int64
	if task.SplitIndex >= 0 {
		split = &task.SplitIndex
	}
	if (split == nil) != (g.SplitIndex == nil) || split != nil && *split != *g.SplitIndex {
		c.fail("%v has split index %v, not %v", g.Task, number(g.SplitIndex), number(split))
	}
	indices := task.Indices
	if g.Gang != nil { // the rank is said apart
		indices = indices[:max(0, len(indices)-1)]
	}
	if !slices.Equal(indices, g.IndexPath) {
		c.fail("%v has index path %v, not %v", g.Task, g.IndexPath, indices)
	}
	c.checkInputs(g, task)
	c.checkGang(g, task)
}

// newRound notices that a gang runs again, all of it: its members are leased
// together, so their tokens follow each other.
func (c *cluster) newRound(g schedule.Grant) {
	first := place(schedule.TaskID{Step: g.Task.Step, Task: g.Gang.Members[0]})
	token := g.Token - uint64(g.Gang.Rank)
	if c.rounds[first] == token {
		return
	}
	c.rounds[first] = token
	done := 0
	for _, id := range g.Gang.Members {
		if at := place(schedule.TaskID{Step: g.Task.Step, Task: id}); c.got[at] != "" {
			delete(c.got, at)
			done++
		}
	}
	if done == g.Gang.Size {
		c.fail("%v is given, and all of its gang had succeeded", g.Task)
	}
}

func number(n *int64) string {
	if n == nil {
		return "none"
	}
	return strconv.FormatInt(*n, 10)
}

func (c *cluster) checkInputs(g schedule.Grant, task *flowgen.Task) {
	want := []schedule.TaskID{{Step: flowdef.ParametersStep, Task: "params"}}
	if len(task.Inputs) > 0 {
		want = nil
	}
	for _, in := range task.Inputs {
		id, done := c.got[in.Step+"/"+in.ID]
		if !done {
			c.fail("%v is given before its input %s/%s has succeeded", g.Task, in.Step, in.ID)
		}
		want = append(want, schedule.TaskID{Step: in.Step, Task: id})
	}
	if got := expand(g.Inputs); !slices.Equal(got, want) {
		c.fail("%v has the inputs %v, not %v", g.Task, got, want)
	}
}

// expand is what the launcher makes of a task's inputs.
func expand(in schedule.Inputs) []schedule.TaskID {
	out := slices.Clone(in.List)
	for i := range in.Count {
		for _, r := range in.Ranges {
			if r.First <= i && i <= r.Last {
				out = append(out, schedule.TaskID{Step: r.Step, Task: fmt.Sprintf("%s-%d%s", r.Prefix, i, r.Suffix)})
			}
		}
	}
	return out
}

func (c *cluster) checkGang(g schedule.Grant, task *flowgen.Task) {
	if (task.Members > 0) != (g.Gang != nil) {
		c.fail("%v has the gang %+v, its size is %d", g.Task, g.Gang, task.Members)
		return
	}
	if g.Gang == nil {
		return
	}
	rank := int(task.Indices[len(task.Indices)-1])
	if g.Gang.Size != int(task.Members) || g.Gang.Rank != rank || len(g.Gang.Members) != g.Gang.Size || g.Gang.Members[rank] != g.Task.Task {
		c.fail("%v is rank %d of %d, its gang is %+v", g.Task, rank, task.Members, *g.Gang)
	}
	if g.Gang.MainAddress == "" {
		c.fail("%v does not know where rank 0 is", g.Task)
	}
}

// takeLists is what the launcher writes as the task's outputs.
func (c *cluster) takeLists(n *node, d schedule.Drained) {
	for _, l := range d.Lists {
		n.lists[l.Step] = l.Workers
		if want := c.workers(l.Step); l.Workers != want {
			c.fail("%s gives %s a list of %d workers, not %d", n.name, l.Step, l.Workers, want)
		}
	}
}

// workers is how many pods a step gets.
func (c *cluster) workers(step string) int {
	s := c.f.Step(step)
	var places, gangs, largest int64
	for _, t := range c.want {
		if t.Step != step || t.Turn > 0 {
			continue
		}
		places++
		if t.Members > 0 && t.Indices[len(t.Indices)-1] == 0 {
			gangs++
			largest = max(largest, t.Members)
		}
	}
	most := int64(c.def.MaxWorkers)
	if s.Member && gangs > 0 {
		return int(min(max(1, most/largest), gangs) * largest)
	}
	return int(min(places, most))
}

func (c *cluster) checkEnded(a schedule.Ended) {
	if !c.runFailed || a.State != schedule.RunFailed {
		c.fail("the run is ended: %+v", a)
	}
}

// compare checks the end: all that was to be has been, and the driver says so.
func (c *cluster) compare() {
	var missing []string
	for at := range c.want {
		if _, done := c.got[at]; !done {
			missing = append(missing, at)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		c.fail("these tasks have not run: %s", strings.Join(missing, " "))
	}
	answer := c.must(schedule.VerifyAsked{})
	if a, ok := answer.(schedule.VerifyAnswer); !ok || a.State != schedule.RunSucceeded {
		c.fail("the run is verified as %+v", answer)
	}
}
