package scheduletest

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
)

// pod is one process of a launcher or gate.
type pod struct {
	node        *simNode
	worker      int
	retryIndex  int
	uid         string
	incarnation string
	// dead: no process is left. cutOff: its messages reach nobody until then.
	dead   bool
	cutOff schedule.Millis
	// replaced: KFP has given the pod up and makes another.
	replaced bool
	// done and succeeded are KFP's view.
	done, succeeded bool
	// work is what it does at the moment; a callback of older work is void.
	work  int
	lease *schedule.Grant
	write *writer
}

func (p *pod) name() string { return fmt.Sprintf("%s/%d#%d", p.node.step, p.worker, p.retryIndex) }

// makePod starts a pod, sooner or later.
func (s *Sim) makePod(n *simNode, worker, retryIndex int) {
	s.seq++
	p := &pod{node: n, worker: worker, retryIndex: retryIndex, uid: fmt.Sprintf("uid-%d", s.seq), incarnation: fmt.Sprintf("inc-%d", s.seq)}
	n.pods[worker] = p
	delay := s.between(500, 5000)
	if s.chance(s.cfg.Pending) {
		delay = s.between(60_000, 3_600_000)
	}
	if n.gate {
		s.after(delay, func() { s.askGate(p) })
		return
	}
	s.after(delay, func() { s.open(p) })
}

// call sends a request until it is answered. then is not called when the pod
// has died or turned to other work.
func (s *Sim) call(p *pod, ev schedule.Event, then func(schedule.Answer, error)) {
	work := p.work
	again := func(d schedule.Millis) {
		s.after(d, func() {
			if !p.dead && p.work == work && s.err == nil {
				s.call(p, ev, then)
			}
		})
	}
	s.after(s.between(1, 60), func() {
		if p.dead || p.work != work || s.err != nil {
			return
		}
		if s.now < p.cutOff || s.chance(s.cfg.Message) {
			s.Stats.Lost++
			again(s.between(2000, 8000))
			return
		}
		answer, err := s.feed(ev)
		if errors.Is(err, errDown) || s.chance(s.cfg.Message) {
			again(s.between(500, 5000)) // refused, or the reply is lost
			return
		}
		s.after(s.between(1, 60), func() {
			if !p.dead && p.work == work && s.err == nil {
				then(answer, err)
			}
		})
	})
}

func (s *Sim) open(p *pod) {
	ev := schedule.RunOpened{RunID: "kfp-sim", Definition: s.cfg.Definition, DefinitionSHA256: "sim"}
	if p.node == s.nodes[0] {
		parameters := `{"alpha":1}`
		ev.Parameters, ev.Resume = &parameters, s.cfg.Resume
	}
	s.call(p, ev, func(_ schedule.Answer, err error) {
		if err != nil {
			s.fail("open: %w", err)
			return
		}
		s.join(p)
	})
}

func (s *Sim) join(p *pod) {
	s.call(p, schedule.Joined{
		Pool: p.node.step, Worker: p.worker, Incarnation: p.incarnation, RetryIndex: p.retryIndex, PodUID: p.uid, PodName: p.name(),
		Address: p.uid + ":7000",
	}, func(a schedule.Answer, err error) {
		switch {
		case errors.Is(err, schedule.ErrStale):
			s.exit(p, false)
		case err != nil:
			s.fail("join: %w", err)
		case a.(schedule.JoinAnswer).ExitFailed:
			s.exit(p, false)
		default:
			s.ask(p)
		}
	})
}

// ask asks for the next task.
func (s *Sim) ask(p *pod) {
	p.work++
	p.lease, p.write = nil, nil
	sent := s.now
	s.call(p, schedule.LeaseAsked{Incarnation: p.incarnation}, func(a schedule.Answer, err error) {
		if err != nil {
			s.Stats.Stale++
			s.exit(p, false)
			return
		}
		switch a := a.(type) {
		case schedule.Grant:
			s.prepare(p, a, sent)
		case schedule.Wait:
			s.after(s.between(1000, 5000), func() {
				if !p.dead {
					s.ask(p)
				}
			})
		case schedule.GiveWay:
			s.Stats.GaveWay++
			s.exit(p, false)
		case schedule.Leave:
			s.exit(p, true)
		case schedule.Drained:
			s.giveLists(p.node, a.Lists)
			s.exit(p, true)
		case schedule.Ended:
			s.exit(p, !a.ExitFailed)
		default:
			s.fail("ask was answered %#v", a)
		}
	})
}

// prepare is what comes before the attempt: adopt, or start one.
func (s *Sim) prepare(p *pod, g schedule.Grant, sent schedule.Millis) {
	s.checkInputs(g)
	p.work++
	p.lease = &g
	p.write = &writer{pod: p, attempt: -1, trust: sent + s.cfg.Policy.TTL}
	s.renew(p, p.work)
	s.mishap(p)
	if g.AdoptAttempt != nil {
		if ok, there := s.store[attemptKey{g.Task, *g.AdoptAttempt}]; there {
			s.report(p, *g.AdoptAttempt, ok, true)
			return
		}
	}
	s.after(s.between(10, 2000), func() {
		if p.dead || p.lease == nil || p.lease.Token != g.Token {
			return
		}
		s.call(p, schedule.AttemptStarted{Incarnation: p.incarnation, Task: g.Task, Token: g.Token}, func(a schedule.Answer, err error) {
			if err != nil {
				s.Stats.Stale++
				s.ask(p)
				return
			}
			started, ok := a.(schedule.StartAnswer)
			if !ok {
				s.ask(p)
				return
			}
			if started.Attempt > 5 || started.MaxUserCodeRetries < -1 {
				s.fail("attempt %d with --max-user-code-retries %d", started.Attempt, started.MaxUserCodeRetries)
			}
			p.write.attempt = started.Attempt
			s.writes[g.Task] = append(s.writes[g.Task], p.write)
			s.after(s.between(100, 120_000), func() { s.childEnds(p, g, started.Attempt) })
		})
	})
}

// childEnds: the outcome is written if the launcher still trusts itself,
// then reported.
func (s *Sim) childEnds(p *pod, g schedule.Grant, attempt int) {
	if p.dead || p.lease == nil || p.lease.Token != g.Token {
		return
	}
	if s.now > p.write.trust {
		// Output spools until the driver is heard of again, or the lease is
		// known to be lost.
		s.after(1000, func() { s.childEnds(p, g, attempt) })
		return
	}
	if s.chance(s.cfg.Release) {
		p.work++
		p.lease = nil // its renewals end; the writer does not
		s.call(p, schedule.Released{Incarnation: p.incarnation, Task: g.Task, Token: g.Token, Reason: "no space left"},
			func(schedule.Answer, error) { s.ask(p) })
		return
	}
	for _, w := range s.writes[g.Task] {
		if w.attempt > attempt && g.Task.Task != "params" {
			s.fail("worker %s writes attempt %d of %v after %d was begun", p.name(), attempt, g.Task, w.attempt)
		}
	}
	ok := s.hadSucceeded(g) || !s.chance(s.cfg.UserFailure)
	key := attemptKey{g.Task, attempt}
	if was, there := s.store[key]; there {
		ok = was // _parameters: put if absent
	}
	s.store[key] = ok
	s.mishap(p)
	s.report(p, attempt, ok, false)
}

func (s *Sim) report(p *pod, attempt int, ok, adopted bool) {
	g := *p.lease
	ev := schedule.Reported{Incarnation: p.incarnation, Task: g.Task, Token: g.Token, Attempt: attempt, Adopted: adopted}
	if ok {
		tr := s.decide(g.Task, g.IndexPath)
		ev.Succeeded = &tr
		// Whether what is adopted was taken over may be forgotten.
		ev.Cloned = s.hadSucceeded(g) && (!adopted || s.chance(0.5))
	} else {
		s.Stats.UserFailures++
		delete(s.store, attemptKey{parametersTask, 0}) // its retry writes anew
		ev.Failed = &schedule.Failure{Class: schedule.User, Reason: "exit code 1"}
		ev.Failed.OutOfMemory = s.chance(s.cfg.Starved)
		if s.chance(s.cfg.Final) {
			ev.Failed.Class = schedule.Final
		}
	}
	p.write.over = true
	s.call(p, ev, func(a schedule.Answer, err error) {
		if err != nil {
			s.Stats.Stale++
		}
		if r, good := a.(schedule.ReportAnswer); good && r.ExitFailed {
			s.exit(p, false)
			return
		}
		s.ask(p)
	})
}

var parametersTask = schedule.TaskID{Step: flowdef.ParametersStep, Task: "params"}

// renew keeps the lease of one piece of work.
func (s *Sim) renew(p *pod, work int) {
	g := p.lease
	s.after(s.cfg.Policy.RenewEvery, func() {
		if p.dead || p.lease != g || s.err != nil {
			return
		}
		s.renew(p, work)
		sent := s.now
		if s.now < p.cutOff || s.chance(s.cfg.Message) {
			return
		}
		const gibi = 1 << 30
		ev := schedule.Renewed{Incarnation: p.incarnation, Task: g.Task, Token: g.Token, UsedBytes: 4 * gibi, LimitBytes: 8 * gibi}
		if s.chance(s.cfg.Starved) {
			ev.UsedBytes = 8*gibi - gibi/5
		}
		answer, err := s.feed(ev)
		if s.chance(s.cfg.Message) {
			return
		}
		switch {
		case errors.Is(err, schedule.ErrStale):
			s.Stats.Stale++
			p.write.over = true // the child is killed
			s.ask(p)
		case err != nil:
		case answer.(schedule.RenewAnswer).Cancel != "":
			s.cancel(p)
		default:
			p.write.trust = sent + s.cfg.Policy.TTL
		}
	})
}

// cancel ends the child and says so.
func (s *Sim) cancel(p *pod) {
	g, attempt := *p.lease, p.write.attempt
	p.write.over = true
	p.work++
	p.lease = nil
	if attempt < 0 {
		s.ask(p)
		return
	}
	s.call(p, schedule.Reported{
		Incarnation: p.incarnation, Task: g.Task, Token: g.Token, Attempt: attempt,
		Failed: &schedule.Failure{Class: schedule.CancelledClass, Reason: "cancelled"},
	}, func(a schedule.Answer, _ error) {
		if r, good := a.(schedule.ReportAnswer); good && r.ExitFailed {
			s.exit(p, false)
			return
		}
		s.ask(p)
	})
}

// mishap is what may befall a pod with a task, at some later moment.
func (s *Sim) mishap(p *pod) {
	switch {
	case s.chance(s.cfg.Kill):
		vanish := s.chance(s.cfg.Vanish)
		zombie := vanish && s.chance(s.cfg.Zombie)
		s.after(s.between(1, 60_000), func() { s.kill(p, vanish, zombie) })
	case s.chance(s.cfg.Silent):
		p.cutOff = max(p.cutOff, s.now+s.between(10_000, 300_000))
	}
}

func (s *Sim) kill(p *pod, vanish, zombie bool) {
	if p.dead || p.done || p.replaced || p.node.pods[p.worker] != p {
		return
	}
	switch {
	case zombie:
		// The process lives on, cut off, and comes back some day.
		s.Stats.Zombies++
		p.replaced = true
		p.cutOff = s.now + s.between(60_000, 1_000_000)
		s.vanished(p)
	case vanish:
		s.Stats.Vanished++
		p.replaced = true
		s.die(p)
		s.vanished(p)
	default:
		s.Stats.Killed++
		s.die(p)
		s.podEnded(p, false)
	}
}

func (s *Sim) die(p *pod) {
	p.dead = true
	if p.write != nil {
		p.write.over = true
	}
}

// exit ends the process.
func (s *Sim) exit(p *pod, ok bool) {
	s.die(p)
	s.podEnded(p, ok)
}

// askGate is a gate's whole life.
func (s *Sim) askGate(p *pod) {
	s.call(p, schedule.GateAsked{Pool: p.node.step, Incarnation: p.incarnation, RetryIndex: p.retryIndex}, func(a schedule.Answer, err error) {
		if err != nil {
			s.after(2000, func() { s.askGate(p) }) // the run is not open yet
			return
		}
		switch a := a.(type) {
		case schedule.Drained:
			s.giveLists(p.node, a.Lists)
			s.exit(p, true)
		case schedule.Ended:
			s.exit(p, false)
		default:
			s.after(s.between(1000, 5000), func() { s.askGate(p) })
		}
	})
}
