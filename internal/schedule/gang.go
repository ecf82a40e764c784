package schedule

import (
	"fmt"
	"strconv"
)

// gang is what the members of one group have in common: they are leased
// together, begin the same attempt, and succeed or go back together. A round
// is one try of that.
//
//	          enough idle workers: n leases in one event
//	waiting ───────────────────────────────────────────> round
//	   ^                                                   │
//	   │ RoundEnded, after a delay                         ├── every member succeeded ──> done
//	   │                                                   │
//	   └── nobody holds a lease any more <── broken <──────┘ a member failed or was lost
//
// A broken round is told to end; what its members still report costs nothing.
// Its verdict falls when the last lease has ended, not before: whether a
// worker was lost (infrastructure's budget) or the user's code failed on its
// own (@retry's) is often known only then, because the others fail first when
// one of them disappears.
type gang struct {
	g *group
	// round counts those formed so far.
	round int
	// number is the attempt that every member begins, begun: one has. A member
	// that had no time to skips the number.
	number int
	begun  bool
	// main is the address of rank 0 in this round.
	main string
	// held counts the members' leases, good those that have succeeded in this
	// round.
	held, good int64
	// broken is why the round ends, by the rank that it began with; empty
	// while it may succeed.
	broken string
	by     int64
	// lost: infrastructure had a part in it.
	lost bool
	// forgiven: the run was re-opened while the round was ending; nobody's
	// budget pays.
	forgiven bool
	// notBefore is when the next round may form, since when the gang waits.
	notBefore, since Millis
	// starves: a member of this round ended for want of memory, starved: one of
	// an earlier round did. The first time is infrastructure's.
	starves, starved bool
	// user and infrastructure are the rounds charged since the run was
	// re-opened.
	user, infrastructure int
}

// formGroup makes the members of a gang.
func (r *Run) formGroup(t ref, size int64) error {
	n, child, parent := t.node(), t.node().next[0], t.place()
	if size < 1 || size > maxWidth {
		return fmt.Errorf("gang of %s has size %d", n.name, size)
	}
	r.fans[groupKey{n.twin.index, parent}] = size
	s := &r.steps[n.index]
	s.gangs++
	s.largest = max(s.largest, size)
	g := r.group(child, parent, size)
	g.gang = &gang{g: g, since: r.now}
	for i := range size {
		r.setState(ref{g, i}, waiting)
	}
	p := r.pools[child.pool.index]
	p.gangs = append(p.gangs, g.gang)
	return nil
}

// gangWorkers is the width of a gang's pool: whole gangs of the largest size,
// as many as there are and as fit below max-workers.
func gangWorkers(gangs, largest, maxWorkers int64) int64 {
	if gangs == 0 {
		return 0
	}
	return largest * min(gangs, max(1, maxWorkers/largest))
}

// checkGang returns why a gang cannot be made, "" when it can.
func (r *Run) checkGang(n *node, size int64) string {
	switch limit := int64(r.definition.MaxWorkers); {
	case size <= 0:
		return fmt.Sprintf("step %s asks for a gang of %d: num_parallel must be at least 1", n.name, size)
	case size > limit:
		return fmt.Sprintf("step %s asks for a gang of %d (num_parallel), but the pool of step %s has at most %d workers (max-workers), "+
			"and a gang runs all at once: raise max-workers to %d or ask for fewer", n.name, size, n.next[0].name, limit, size)
	}
	return ""
}

// placeOf describes the gang for people: "gang of 4 at task-3".
func (g *gang) String() string { return fmt.Sprintf("gang of %d at %s", g.g.width, g.g.parent) }

// waits tells whether the gang has no round under way and may form one.
func (g *gang) waits(now Millis) bool {
	return g.broken == "" && g.held == 0 && g.good == 0 && g.notBefore <= now
}

// members are the task ids by rank.
func (g *gang) members() []string {
	ids := make([]string, g.g.width)
	for i := range ids {
		ids[i] = ref{g.g, int64(i)}.id()
	}
	return ids
}

// placeIn is what a member's grant says of the others.
func (g *gang) placeIn(rank int64) *Gang {
	return &Gang{Size: int(g.g.width), Rank: int(rank), MainAddress: g.main, Members: g.members()}
}

// memberID is the id of a member of the gang at a place.
func memberID(parent string, rank int64) string {
	return parent + "-n" + strconv.FormatInt(rank, 10)
}
