package scheduletest

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/schedule"
)

// rounds is what the observer knows of the gangs, by step and place.
type rounds struct {
	newest  map[schedule.TaskID]int
	leased  map[schedule.TaskID]int // members, in the newest round
	attempt map[schedule.TaskID]int // that the round's members begin
}

func newRounds() rounds {
	return rounds{newest: map[schedule.TaskID]int{}, leased: map[schedule.TaskID]int{}, attempt: map[schedule.TaskID]int{}}
}

// gangOf names the gang of a member by its step and place.
func (s *Sim) gangOf(task schedule.TaskID) (gang schedule.TaskID, member bool) {
	def, ok := s.cfg.Definition.Step(task.Step)
	if !ok || !def.Parallel {
		return schedule.TaskID{}, false
	}
	place, _, _ := strings.Cut(task.Task, "-n")
	return schedule.TaskID{Step: task.Step, Task: place}, true
}

// observeRound: the members of a round are leased together, once nobody of an
// earlier one can write any more, and not when the join has begun.
func (s *Sim) observeRound(rec schedule.LeaseGranted) {
	gang, member := s.gangOf(rec.Task)
	if member != (rec.Round > 0) {
		s.fail("task %v is leased in round %d", rec.Task, rec.Round)
	}
	if !member {
		return
	}
	o := &s.seen.rounds
	switch newest := o.newest[gang]; {
	case rec.Round == newest+1:
		s.checkWhole(gang)
		o.newest[gang], o.leased[gang] = rec.Round, 0
		delete(o.attempt, gang)
		for task := range s.writes {
			if other, ok := s.gangOf(task); ok && other == gang {
				s.checkWriters(task)
			}
		}
	case rec.Round != newest:
		s.fail("task %v is leased in round %d after %d", rec.Task, rec.Round, newest)
	}
	o.leased[gang]++
	join := s.joinOf(gang.Step)
	if _, begun := s.seen.attempts[schedule.TaskID{Step: join, Task: gang.Task}]; begun {
		s.fail("task %v is leased again, its join %s has begun", rec.Task, join)
	}
	delete(s.seen.succeeded, rec.Task)
	delete(s.seen.wentOn, rec.Task)
}

// checkWhole: every member of the newest round was leased.
func (s *Sim) checkWhole(gang schedule.TaskID) {
	o := &s.seen.rounds
	if o.newest[gang] == 0 {
		return
	}
	if want := s.sizeOf(gang); o.leased[gang] != want {
		s.fail("round %d of %v leased %d of %d members", o.newest[gang], gang, o.leased[gang], want)
	}
}

// observeMember: the members of a round all begin the same attempt, a higher
// one than before.
func (s *Sim) observeMember(gang schedule.TaskID, rec schedule.AttemptBegun) {
	o := &s.seen.rounds
	if number, begun := o.attempt[gang]; begun && number != rec.Attempt {
		s.fail("task %v begins attempt %d, another of its gang began %d", rec.Task, rec.Attempt, number)
	}
	o.attempt[gang] = rec.Attempt
	if last, any := s.seen.attempts[rec.Task]; any && rec.Attempt <= last {
		s.fail("task %v begins attempt %d after %d", rec.Task, rec.Attempt, last)
	}
}

// sizeOf is what the task that asked for the gang asked for; several steps may
// lead to the gang's.
func (s *Sim) sizeOf(gang schedule.TaskID) int {
	for task, tr := range s.seen.wentOn {
		place, _, _ := strings.Cut(task.Task, "-i")
		if place == gang.Task && tr.GangSize > 0 && slices.Contains(tr.Next, gang.Step) {
			return int(tr.GangSize)
		}
	}
	return 0
}

func (s *Sim) joinOf(step string) string {
	def, _ := s.cfg.Definition.Step(step)
	return def.Next[0]
}

// gangWorkers is how many workers the pool of a gang's step gets: as many
// whole gangs of the largest as there are and as fit below max-workers.
func (s *Sim) gangWorkers(step string) int {
	var sizes []int
	for task, tr := range s.seen.wentOn {
		if task.Step != step && tr.GangSize > 0 && slices.Contains(tr.Next, step) {
			sizes = append(sizes, int(tr.GangSize))
		}
	}
	if len(sizes) == 0 {
		return 0
	}
	largest := slices.Max(sizes)
	return largest * min(len(sizes), max(1, s.cfg.Definition.MaxWorkers/largest))
}
