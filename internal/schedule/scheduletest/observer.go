package scheduletest

import (
	"maps"
	"slices"

	"github.com/millrace/millrace/internal/schedule"
)

// observer checks from outside, by the records alone, what must hold of every
// run.
type observer struct {
	token     uint64
	live      map[schedule.TaskID]uint64
	attempts  map[schedule.TaskID]int // highest started
	succeeded map[schedule.TaskID]int
	drained   map[string]bool
	wentOn    map[schedule.TaskID]schedule.Transition
	cloned    map[schedule.TaskID]bool
	lists     map[string]int
	rounds    rounds
}

type attemptKey struct {
	task    schedule.TaskID
	attempt int
}

func newObserver() observer {
	return observer{
		live: map[schedule.TaskID]uint64{}, attempts: map[schedule.TaskID]int{},
		succeeded: map[schedule.TaskID]int{}, drained: map[string]bool{},
		wentOn: map[schedule.TaskID]schedule.Transition{}, cloned: map[schedule.TaskID]bool{}, lists: map[string]int{}, rounds: newRounds(),
	}
}

// writer is a process that may write files of an attempt.
type writer struct {
	pod     *pod
	attempt int
	// trust is until when the launcher believes in its lease.
	trust schedule.Millis
	// over: its child has ended, or the pod is dead.
	over bool
}

func (s *Sim) observe(rec schedule.Record) {
	o := &s.seen
	switch rec := rec.(type) {
	case schedule.LeaseGranted:
		if rec.Token <= o.token {
			s.fail("token %d after %d", rec.Token, o.token)
		}
		if other, held := o.live[rec.Task]; held {
			s.fail("task %v is leased under %d and again under %d", rec.Task, other, rec.Token)
		}
		o.token, o.live[rec.Task] = rec.Token, rec.Token
		delete(o.cloned, rec.Task) // a gang's member, again
		s.checkWriters(rec.Task)
		s.observeRound(rec)
	case schedule.LeaseEnded:
		s.endLive(rec.Task, rec.Token)
		if rec.OutOfMemory {
			s.Stats.OutOfMemory++
		}
	case schedule.TaskGivenUp:
		s.endLive(rec.Task, rec.Token)
	case schedule.AttemptBegun:
		last, any := o.attempts[rec.Task]
		if gang, member := s.gangOf(rec.Task); member {
			s.observeMember(gang, rec)
		} else if rec.Task.Task != "params" && (any && rec.Attempt != last+1 || !any && rec.Attempt != 0) {
			s.fail("task %v begins attempt %d after %d", rec.Task, rec.Attempt, last)
		}
		o.attempts[rec.Task] = rec.Attempt
		if good, done := o.succeeded[rec.Task]; done {
			s.fail("task %v succeeded with attempt %d and begins %d", rec.Task, good, rec.Attempt)
		}
	case schedule.AttemptSucceeded:
		s.endLive(rec.Task, rec.Token)
		if other, twice := o.succeeded[rec.Task]; twice {
			s.fail("task %v succeeded with attempt %d and %d", rec.Task, other, rec.Attempt)
		}
		o.succeeded[rec.Task] = rec.Attempt
		if !s.cfg.Quick {
			o.wentOn[rec.Task] = rec.Transition
		}
		if rec.Attempt != o.attempts[rec.Task] {
			s.fail("task %v succeeded with attempt %d, the highest started is %d", rec.Task, rec.Attempt, o.attempts[rec.Task])
		}
		if ok, there := s.store[attemptKey{rec.Task, rec.Attempt}]; !there || !ok {
			s.fail("task %v: attempt %d is recorded as good, the store says otherwise", rec.Task, rec.Attempt)
		}
		if rec.Adopted {
			s.Stats.Adopted++
		}
		if rec.Cloned {
			s.Stats.Cloned++
			o.cloned[rec.Task] = true
		}
	case schedule.AttemptFailed:
		s.endLive(rec.Task, rec.Token)
	case schedule.TaskContinued:
		s.Stats.Continued++
		if token, live := o.live[rec.Task]; live {
			s.fail("task %v goes on as %s while leased under %d", rec.Task, rec.As, token)
		}
		if _, begun := o.attempts[rec.Task]; !begun {
			s.fail("task %v goes on as %s and made no attempt", rec.Task, rec.As)
		}
	case schedule.RunReopened:
		s.Stats.Retried++
		clear(o.drained)
	case schedule.RoundEnded:
		s.Stats.Rounds++
	case schedule.RunOpenedRecord, schedule.ParametersGiven, schedule.WorkerJoined, schedule.IncarnationGone, schedule.GateJoined,
		schedule.RunEnded, schedule.ExitChosen, schedule.RunClosed:
	}
}

func (s *Sim) endLive(id schedule.TaskID, token uint64) {
	if s.seen.live[id] != token {
		s.fail("lease %d of %v ends, live is %d", token, id, s.seen.live[id])
	}
	delete(s.seen.live, id)
}

// checkWriters: when a task is leased anew nobody else can write for it.
func (s *Sim) checkWriters(id schedule.TaskID) {
	for _, w := range s.writes[id] {
		if !w.over && w.trust+s.cfg.Policy.LongestWrite > s.now {
			s.fail("task %v is leased while worker %s may write attempt %d until %s", id, w.pod.name(), w.attempt,
				clock(w.trust+s.cfg.Policy.LongestWrite))
		}
	}
}

// checkDrained: a drained pool stays so, unless the run is re-opened.
func (s *Sim) checkDrained() {
	if s.cfg.Quick {
		return
	}
	for _, p := range s.run.Snapshot().Pools {
		if s.seen.drained[p.Pool] && !p.Drained {
			s.fail("pool %s is not drained any more", p.Pool)
		}
		s.seen.drained[p.Pool] = s.seen.drained[p.Pool] || p.Drained
	}
}

func (s *Sim) finalChecks() {
	state := s.run.Snapshot().Run
	if state.State != schedule.RunSucceeded {
		s.fail("the run ended as %s: %s", state.State, state.Reason)
	}
	if len(s.seen.live) > 0 {
		s.fail("leases are live after the end: %v", slices.Collect(maps.Keys(s.seen.live)))
	}
	for t := range s.run.Tasks() {
		if t.State != "succeeded" && t.ContinuedAs == "" {
			s.fail("task %v is %s after the end", t.Task, t.State)
		}
	}
	s.checkLists()
}
