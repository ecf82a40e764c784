package schedule

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
)

const (
	// gangPoll is how soon an idle worker of a gang's pool is asked for again,
	// gangFresh for how long its question counts: a gang must not be formed
	// with a worker that died while it was waiting.
	gangPoll  = 2_000
	gangFresh = 3 * gangPoll
	// mostGiveWays keeps KFP's retries of a worker for what they are there for.
	mostGiveWays = 3
)

// seat is an idle worker of a gang's pool.
type seat struct {
	inc   *incarnation
	slot  int
	since Millis // idle without a break
	asked Millis // last
}

// fresh tells whether the worker can be counted on now.
func (s *seat) fresh(now Millis) bool {
	return s.inc.newest() && s.inc.gone == "" && len(s.inc.slots) == 0 && s.asked+gangFresh >= now
}

// askGang answers a worker of a gang's pool. When it is the last one that a
// gang lacks, all of its members are leased at once; the others are told when
// they ask again.
func (r *Run) askGang(inc *incarnation, slot int) Answer {
	p := inc.pool
	wait := Wait{Until: r.now + gangPoll}
	if len(inc.slots) > 0 || !inc.newest() {
		return wait
	}
	s := p.seats[inc.worker]
	if s == nil || s.inc != inc {
		s = &seat{inc: inc, since: r.now}
		p.seats[inc.worker] = s
	}
	s.slot, s.asked = slot, r.now
	for {
		g := p.firstWaiting(r.now)
		if g == nil {
			break
		}
		if free := p.idleNow(r.now); free < g.g.width {
			return r.lacking(s, g, free)
		}
		r.form(g, p.free(r.now)[:g.g.width])
		if t, held := inc.slots[slot]; held {
			return r.grantOf(t)
		}
	}
	if p.due && p.others(inc, r.now, r.policy.TTL) >= p.needed() {
		delete(p.seats, inc.worker)
		return Leave{}
	}
	return wait
}

// firstWaiting is the first gang made that can form now. The first has its
// turn before any other, or a large one would wait for ever beside small ones.
func (p *poolState) firstWaiting(now Millis) *gang {
	for _, g := range p.gangs {
		if g.waits(now) {
			return g
		}
	}
	return nil
}

// idleNow counts the workers that a gang can be formed with.
func (p *poolState) idleNow(now Millis) int64 {
	n := int64(0)
	for _, s := range p.seats {
		if s.fresh(now) {
			n++
		}
	}
	return n
}

// free are the workers that a gang can be formed with, those heard of last
// first.
func (p *poolState) free(now Millis) []*seat {
	var free []*seat
	for _, s := range p.seats {
		if s.fresh(now) {
			free = append(free, s)
		}
	}
	slices.SortFunc(free, func(a, b *seat) int {
		return cmp.Or(cmp.Compare(b.asked, a.asked), cmp.Compare(a.inc.worker, b.inc.worker))
	})
	return free
}

// form leases every member of a gang, ranks by worker.
func (r *Run) form(g *gang, seats []*seat) {
	slices.SortFunc(seats, func(a, b *seat) int { return cmp.Compare(a.inc.worker, b.inc.worker) })
	round := g.round + 1
	if r.planMember(ref{g.g, 0}).goesOn {
		for rank := range g.g.width {
			r.emitContinued(ref{g.g, rank})
		}
	}
	for rank, s := range seats {
		r.emit(LeaseGranted{
			Stamp: r.stamp(), Task: ref{g.g, int64(rank)}.taskID(), Token: r.token + 1,
			Incarnation: s.inc.id, Slot: s.slot, Round: round,
		})
	}
}

// joinRound takes a member's lease.
func (r *Run) joinRound(t ref, l *lease, round int) error {
	g := t.g.gang
	switch {
	case g == nil && round == 0:
		return nil
	case g == nil:
		return fmt.Errorf("task %s/%s is no member of a gang", t.node().name, t.id())
	case g.held == 0 && round == g.round+1 && g.waits(r.now):
		g.round = round
	case g.held == 0 || round != g.round:
		return fmt.Errorf("%s: a lease of round %d after round %d", g, round, g.round)
	}
	g.held++
	if t.i == 0 {
		g.main = l.inc.address
	}
	delete(l.inc.pool.seats, l.inc.worker)
	return nil
}

// others counts the workers besides one that are there for a gang: idle or in
// one.
func (p *poolState) others(not *incarnation, now, ttl Millis) int64 {
	n := int64(0)
	for i, w := range p.workers {
		if w.newest == not || w.newest.gone != "" {
			continue
		}
		if s := p.seats[i]; len(w.newest.slots) > 0 || s != nil && s.inc == w.newest && s.asked+ttl > now {
			n++
		}
	}
	return n
}

// needed is how many workers the unfinished gangs may yet want at once.
func (p *poolState) needed() int64 {
	if len(p.gangs) > len(p.workers) {
		return int64(len(p.gangs)) // more than there are
	}
	largest := int64(1)
	for _, g := range p.gangs {
		largest = max(largest, g.g.width)
	}
	return largest * max(1, int64(len(p.gangs)))
}

// lacking answers a worker whose gang has too few others. Two runs that each
// hold half of what a cluster has would wait for each other for ever: after
// the deadline workers make room, each at a moment of its own.
func (r *Run) lacking(s *seat, g *gang, free int64) Answer {
	wait := Wait{Until: r.now + gangPoll}
	deadline := r.policy.GangDeadline
	p := s.inc.pool
	busy := p.counts[leased] + p.counts[running]
	if deadline <= 0 || s.inc.retryIndex >= mostGiveWays || free+busy >= g.g.width {
		return wait
	}
	waited := r.now - max(s.since, g.since, g.notBefore)
	if waited <= deadline+jitter(s.inc, deadline/2) {
		return wait
	}
	s.asked = 0 // not to be counted on any more; asked again it is told the same
	return GiveWay{Reason: fmt.Sprintf("the %s of step %s waits for workers, %d of %d are there; worker %s has waited %s (gang deadline %s) "+
		"and makes room for others: KFP starts it again", g, g.g.node.name, free, g.g.width, s.inc.name(), seconds(waited), seconds(deadline))}
}

// jitter is a share of a span that is the worker's own, another each time it
// is started again.
func jitter(inc *incarnation, most Millis) Millis {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%d/%s", inc.name(), inc.retryIndex, inc.podUID)
	return Millis(h.Sum64() % uint64(max(1, most)))
}

// shortSince is since when the pool's first waiting gang lacks workers.
func (r *Run) shortSince(p *poolState) (Millis, bool) {
	g := p.firstWaiting(r.now)
	if g == nil || p.idleNow(r.now)+p.counts[leased]+p.counts[running] >= g.g.width {
		return 0, false
	}
	return max(g.since, g.notBefore, p.dueSince), true
}

// shortOf says what that gang lacks: "step train: gang of 4 at task-0 waits for
// workers: 3 of 4 idle".
func (r *Run) shortOf(p *poolState) string {
	g := p.firstWaiting(r.now)
	return fmt.Sprintf("step %s: %s waits for workers: %d of %d idle", g.g.node.name, g, p.idleNow(r.now), g.g.width)
}
