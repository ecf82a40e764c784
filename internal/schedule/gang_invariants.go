package schedule

import (
	"fmt"
	"slices"
)

// checkGroupGang looks at the members of a gang together.
func (r *Run) checkGroupGang(g *group) error {
	k := g.gang
	if k == nil {
		return nil
	}
	var held, good int64
	workers := map[*worker]bool{}
	for i := range g.width {
		t := ref{g, i}
		m := t.live()
		switch t.state() {
		case leased, running:
			held++
			w := m.lease.inc.pool.workers[m.lease.inc.worker]
			if workers[w] {
				return fmt.Errorf("%s: worker %s holds two ranks", k, m.lease.inc.name())
			}
			workers[w] = true
			if m.lease.started >= 0 && m.lease.started != k.number {
				return fmt.Errorf("%s: rank %d runs attempt %d, the round's is %d", k, i, m.lease.started, k.number)
			}
		case succeeded:
			good++
		case absent:
			return fmt.Errorf("%s: rank %d is absent", k, i)
		case waiting, failed, cancelled, numStates:
		}
		if m != nil {
			for _, a := range m.attempts[m.first():] {
				if a.number >= k.used() {
					return fmt.Errorf("%s: rank %d began attempt %d, the gang %d", k, i, a.number, k.used())
				}
			}
		}
	}
	unfinished := slices.Contains(r.pools[g.node.pool.index].gangs, k)
	switch {
	case held != k.held || good != k.good:
		return fmt.Errorf("%s: %d leases and %d successes, there are %d and %d", k, k.held, k.good, held, good)
	case k.broken == "" && held > 0 && held+good != g.width:
		return fmt.Errorf("%s: round %d has %d of %d members", k, k.round, held+good, g.width)
	case k.broken == "" && held == 0 && good != 0 && good != g.width:
		return fmt.Errorf("%s: round %d ended with %d successes and no verdict", k, k.round, good)
	case k.broken != "" && held == 0 && r.state == RunRunning:
		return fmt.Errorf("%s: round %d ended without a verdict: %s", k, k.round, k.broken)
	case unfinished == (k.broken == "" && held == 0 && good == g.width):
		return fmt.Errorf("%s: unfinished %t with %d of %d successes", k, unfinished, good, g.width)
	}
	return nil
}
