package graph

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/schedule"
)

// pod is one pod: a launcher that runs tasks, or a gate.
type pod struct {
	node        *node
	worker      int
	retryIndex  int
	incarnation string
	joined      bool
	lease       *held
	// before is what the pod's predecessor held when it died; the driver may
	// take that for alive until this pod has joined.
	before *held
	// over: the pod has ended; good: with exit code 0.
	over, good bool
	// told is the last answer, for messages.
	told string
}

func (c *cluster) makePod(n *node, worker, retryIndex int) {
	c.made++
	p := &pod{node: n, worker: worker, retryIndex: retryIndex, incarnation: fmt.Sprintf("%s-%d-%d", n.name, worker, c.made)}
	if old := n.pods[worker]; old != nil {
		p.before = old.lease
	}
	n.pods[worker] = p
	c.live = append(c.live, p)
}

// act lets a pod make its next call. It tells whether the pod got anywhere.
func (c *cluster) act(p *pod) bool {
	switch {
	case p.node.gate:
		return c.askGate(p)
	case !p.joined:
		if c.chance(0.7) || c.slots > 0 && c.busy() >= c.slots {
			return false // still waits for a node
		}
		c.join(p)
	case p.lease == nil:
		return c.ask(p)
	case p.lease.attempt < 0:
		c.begin(p)
	default:
		return c.goOn(p)
	}
	return true
}

// exit says goodbye, so that nothing the pod held need be waited out.
func (c *cluster) exit(p *pod, good bool) {
	if !p.node.gate {
		c.must(schedule.Left{Incarnation: p.incarnation})
	}
	c.podEnded(p, good)
}

func (c *cluster) askGate(p *pod) bool {
	answer, err := c.driver.do(schedule.GateAsked{Pool: p.node.step, Incarnation: p.incarnation, RetryIndex: p.retryIndex})
	if err != nil {
		c.fail("the gate of %s is refused: %w", p.node.step, err)
		return true
	}
	p.told = fmt.Sprintf("%T", answer)
	switch a := answer.(type) {
	case schedule.Wait:
		return false
	case schedule.Drained:
		c.takeLists(p.node, a)
		c.exit(p, true)
	case schedule.Ended:
		c.checkEnded(a)
		c.exit(p, false)
	default:
		c.fail("the gate of %s is answered %#v", p.node.step, answer)
	}
	return true
}

// parameters are what the first pool's launchers are given.
const parameters = `{"alpha":1}`

func (c *cluster) join(p *pod) {
	var given *string
	var resume *schedule.Resume
	if p.node.step == c.f.Start {
		given, resume = new(parameters), c.origin.resume()
	}
	if err := c.driver.open(given, resume); err != nil {
		c.fail("open: %w", err)
		return
	}
	answer := c.must(schedule.Joined{
		Pool: p.node.step, Worker: p.worker, Incarnation: p.incarnation, RetryIndex: p.retryIndex,
		PodUID: "uid-" + p.incarnation, PodName: p.incarnation, Address: p.incarnation + ":4000",
	})
	p.joined = true
	if p.before != nil {
		c.ended = append(c.ended, *p.before)
	}
	if a, ok := answer.(schedule.JoinAnswer); ok && a.ExitFailed {
		c.exit(p, false)
	}
}

func (c *cluster) ask(p *pod) bool {
	answer := c.must(schedule.LeaseAsked{Incarnation: p.incarnation})
	p.told = fmt.Sprintf("%T", answer)
	switch a := answer.(type) {
	case nil:
	case schedule.Wait:
		return false
	case schedule.Grant:
		p.lease = &held{incarnation: p.incarnation, grant: a, attempt: -1}
		c.checkGrant(p, a)
	case schedule.Leave:
		c.exit(p, true)
	case schedule.GiveWay:
		c.exit(p, false)
	case schedule.Drained:
		c.takeLists(p.node, a)
		c.exit(p, true)
	case schedule.Ended:
		c.checkEnded(a)
		c.exit(p, !a.ExitFailed)
	default:
		c.fail("%s is answered %#v", p.incarnation, answer)
	}
	return true
}

// begin is what comes before the child: adopt, give back, or start an attempt.
func (c *cluster) begin(p *pod) {
	g := p.lease.grant
	if g.AdoptAttempt != nil {
		if good, there := c.store[attemptKey{g.Task, *g.AdoptAttempt}]; there {
			p.lease.attempt = *g.AdoptAttempt
			c.report(p, good, true)
			return
		}
	}
	switch {
	case c.dies(p):
	case c.blips(p):
		if _, ok := c.ofLease(p, schedule.Released{Incarnation: p.incarnation, Task: g.Task, Token: g.Token, ChildGone: true, Reason: "no space left"}); ok {
			c.drop(p)
		}
	default:
		answer, _ := c.ofLease(p, schedule.AttemptStarted{Incarnation: p.incarnation, Task: g.Task, Token: g.Token})
		switch a := answer.(type) {
		case schedule.StartAnswer:
			p.lease.attempt = a.Attempt
			c.child(p, a)
		case schedule.Ended:
			if a.State != schedule.RunRunning {
				c.checkEnded(a)
			}
			p.lease = nil // held until the pod says goodbye
		}
	}
}

// ofLease sends an event of the pod's lease. It returns false when the lease is
// over: because its gang's round or the run is, or because the attempt that was
// to be adopted had the last number, and the task goes on under another id.
func (c *cluster) ofLease(p *pod, ev schedule.Event) (schedule.Answer, bool) {
	answer, err := c.driver.do(ev)
	if _, once := ev.(schedule.Released); err == nil && !once && c.chance(c.sky.again) {
		answer, err = c.driver.do(ev)
	}
	_, start := ev.(schedule.AttemptStarted)
	switch g := p.lease.grant; {
	case errors.Is(err, schedule.ErrStale) && (g.Gang != nil || start && (g.AdoptAttempt != nil || c.runFailed)):
		p.lease = nil // held until the pod asks again
	case err != nil:
		c.fail("%T %+v is refused: %w", ev, ev, err)
	}
	return answer, err == nil
}

// drop forgets a lease that is over.
func (c *cluster) drop(p *pod) {
	c.ended = append(c.ended, *p.lease)
	p.lease = nil
}

// goOn is a pod whose child runs: it renews, dies, or the child ends.
func (c *cluster) goOn(p *pod) bool {
	g := p.lease.grant
	switch {
	case g.Gang != nil && c.chance(0.5), c.chance(0.2):
		answer, ok := c.ofLease(p, schedule.Renewed{Incarnation: p.incarnation, Task: g.Task, Token: g.Token})
		if a, renewed := answer.(schedule.RenewAnswer); renewed && a.Cancel != "" {
			c.cancelled(p)
		} else if ok {
			return false
		}
	case c.dies(p):
	case c.blips(p):
		c.reportFailure(p, schedule.Failure{Class: schedule.Infrastructure, Reason: "the store stayed away"}, false)
	default:
		c.commit(p)
	}
	return true
}

// blips tells whether infrastructure fails the attempt. All members of a gang
// must be spared at once.
func (c *cluster) blips(p *pod) bool {
	if g := p.lease.grant.Gang; g != nil {
		return c.chance(c.sky.blip / float64(2*g.Size))
	}
	return c.chance(c.sky.blip)
}

// dies ends the pod's process, its death being known by what follows: the same
// worker with a higher index, or whoever reaped it says so.
func (c *cluster) dies(p *pod) bool {
	if p.retryIndex >= restarts-1 || !c.chance(c.sky.die) {
		return false
	}
	c.died(p)
	return true
}

func (c *cluster) died(p *pod) {
	c.stats.deaths++
	if c.slots > 0 || c.chance(0.3) { // its successor may be long in coming
		c.must(schedule.WorkerGone{Incarnation: p.incarnation})
	}
	c.podEnded(p, false)
}
