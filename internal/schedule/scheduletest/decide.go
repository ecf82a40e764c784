package scheduletest

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
)

// Decide says what a task that succeeds goes on to. It must answer the same
// whenever it is asked for the same task: an attempt's outcome is read again
// from the store.
type Decide func(task schedule.TaskID, indexPath []int64) schedule.Transition

// Drawn decides by the flow: every foreach has so many splits, a switch takes
// one of its cases, drawn from the seed and the task's place, a loop ends after
// four iterations at most, and gangs have one to three members.
func Drawn(seed uint64, d *flowdef.Definition, splits int64) Decide {
	return func(task schedule.TaskID, _ []int64) schedule.Transition {
		def, ok := d.Step(task.Step)
		if !ok {
			return schedule.Transition{}
		}
		tr := schedule.Transition{Next: def.Next}
		switch def.Type {
		case flowdef.SplitForeach:
			tr.NumSplits = splits
		case flowdef.SplitSwitch:
			cases := def.Next
			if strings.HasSuffix(task.Task, "-r3") {
				cases = slices.DeleteFunc(slices.Clone(cases), func(next string) bool { return next == def.Name })
			}
			tr.Next = []string{cases[draw(seed, task)%uint64(len(cases))]}
		case flowdef.SplitParallel:
			tr.GangSize = 1 + int64(draw(seed, task)%3)
		case flowdef.Start, flowdef.Linear, flowdef.Join, flowdef.End, flowdef.SplitStatic:
		}
		return tr
	}
}

func draw(seed uint64, task schedule.TaskID) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %s", seed, task.Step, task.Task)
	return h.Sum64() >> 16
}
