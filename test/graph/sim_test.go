package graph

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
	"github.com/millrace/millrace/test/flowgen"
)

var sims = flag.Uint64("graph.sims", 200, "how many flows are simulated")

// TestSimulated runs random flows through the simulated cluster, in which
// messages, workers, pods and drivers are lost and the store fails, in
// simulated time; what it checks by itself is scheduletest's to say. In the
// end exactly the model's tasks have succeeded.
func TestSimulated(t *testing.T) {
	from, end := *first, *first+*sims
	if *seed != 0 {
		from, end = *seed, *seed+1
	}
	var group errgroup.Group
	group.SetLimit(4)
	for s := from; s < end; s++ {
		group.Go(func() error { return simulate(s) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("seeds %d to %d", from, end-1)
}

func simulate(s uint64) error {
	o := options()
	o.Tasks = 40
	f, tasks, err := flowgen.Make(s, o)
	if err != nil {
		return err
	}
	want := map[string]*flowgen.Task{}
	for _, task := range tasks {
		want[task.Step+"/"+task.ID] = task
	}
	cfg := scheduletest.Harsh(s, f.Definition(), 0)
	cfg.Decide = func(id schedule.TaskID, _ []int64) schedule.Transition {
		if task := want[place(id)]; task != nil {
			return schedule.Transition{Next: task.Next, NumSplits: task.NumSplits, GangSize: task.GangSize}
		}
		return schedule.Transition{}
	}
	sim := scheduletest.NewSim(cfg)
	if err = sim.Run(); err == nil {
		err = sameTasks(sim, want)
	}
	if err != nil {
		return fmt.Errorf("-graph.seed=%d: %s: %w", s, f, err)
	}
	return nil
}

// sameTasks compares what succeeded with the model.
func sameTasks(sim *scheduletest.Sim, want map[string]*flowgen.Task) error {
	var more, less []string
	done := map[string]bool{flowdef.ParametersStep + "/params": true}
	for task := range sim.Tasks() {
		at := place(task.Task)
		if want[at] == nil && !done[at] {
			more = append(more, at)
		}
		done[at] = true
	}
	for at := range want {
		if !done[at] {
			less = append(less, at)
		}
	}
	if len(more)+len(less) > 0 {
		slices.Sort(less)
		return fmt.Errorf("tasks that were not to be: %v; tasks that were not: %v", more, less)
	}
	return nil
}
