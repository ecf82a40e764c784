package scheduletest

import (
	"fmt"
	"hash/fnv"

	"github.com/millrace/millrace/internal/schedule"
)

// hadSucceeded tells whether the run that this one goes on from had finished
// the task; of a gang all of its members, or none is taken over.
func (s *Sim) hadSucceeded(g schedule.Grant) bool {
	if g.CloneFrom == "" {
		return false
	}
	tasks := []string{g.Task.Task}
	if g.Gang != nil {
		tasks = g.Gang.Members
	}
	for _, task := range tasks {
		h := fnv.New64a()
		fmt.Fprintf(h, "origin %d %s %s", s.cfg.Seed, g.Task.Step, task)
		if h.Sum64()>>16%8 == 0 {
			return false
		}
	}
	return true
}

// checkClone: a task may be taken over if every one of its inputs was, and if
// it is not to run again.
func (s *Sim) checkClone(g schedule.Grant) {
	resume := s.cfg.Resume
	may := resume != nil && resume.Step != g.Task.Step
	for _, in := range Expand(g.Inputs) {
		may = may && s.seen.cloned[in]
	}
	want := ""
	if may {
		want = resume.OriginRun
	}
	if g.CloneFrom != want {
		s.fail("task %v may be taken over from %q, want %q", g.Task, g.CloneFrom, want)
	}
}
