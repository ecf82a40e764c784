package schedule

import "fmt"

// Check returns the first broken invariant. It looks at every task, so it is
// for tests; the simulator and the fuzzer call it after every event.
func (r *Run) Check() error {
	if r.graph == nil {
		return nil
	}
	var all [][numStates]int64
	for range r.steps {
		all = append(all, [numStates]int64{})
	}
	leases := 0
	for _, g := range r.order {
		if int64(len(g.state)) != g.width {
			return fmt.Errorf("group %s %q has %d tasks, width %d", g.node.name, g.parent, len(g.state), g.width)
		}
		if err := r.checkGroupGang(g); err != nil {
			return err
		}
		for i := range g.width {
			t := ref{g, i}
			all[g.node.index][t.state()]++
			if err := r.checkTask(t); err != nil {
				return fmt.Errorf("task %s/%s: %w", g.node.name, t.id(), err)
			}
			if k := t.live(); k != nil && k.lease != nil {
				leases++
			}
		}
	}
	if leases != len(r.leases) {
		return fmt.Errorf("%d tasks hold a lease, %d leases are live", leases, len(r.leases))
	}
	for i := range all {
		all[i][absent] = 0
		s := r.steps[i]
		made := int64(0)
		for _, n := range all[i] {
			made += n
		}
		if all[i] != s.counts || made != s.made {
			return fmt.Errorf("step %s: counts %v of %d, there are %v of %d", r.graph.nodes[i].name, s.counts, s.made, all[i], made)
		}
		if s.closed && s.counts[succeeded] != s.made {
			return fmt.Errorf("step %s is closed with %v of %d", r.graph.nodes[i].name, s.counts, s.made)
		}
	}
	return r.checkRun()
}

func (r *Run) checkRun() error {
	if r.state == RunSucceeded && !r.complete() {
		return fmt.Errorf("the run succeeded with work left: %s", r.missing())
	}
	if r.state == RunRunning && r.complete() {
		return fmt.Errorf("the run is complete and still running")
	}
	if len(r.stopped) > 0 && r.state == RunRunning {
		return fmt.Errorf("the run is running with %d failed tasks", len(r.stopped))
	}
	for id, inc := range r.incarnations {
		if inc.gone != "" && len(inc.slots) > 0 {
			return fmt.Errorf("incarnation %s has gone and holds a lease", id)
		}
	}
	if r.state != RunRunning {
		return nil
	}
	// Whatever waits is found again: in a queue, or by an alarm.
	for _, p := range r.pools {
		found := map[ref]bool{}
		for _, t := range p.queue.retried {
			found[t] = true
		}
		for _, s := range p.queue.fresh {
			for i := s.lo; i < s.hi; i++ {
				found[ref{s.g, i}] = true
			}
		}
		for _, a := range r.delays {
			found[a.task] = true
		}
		for _, g := range p.gangs {
			for i := range g.g.width {
				found[ref{g.g, i}] = true
			}
		}
		for _, n := range p.def.nodes {
			for _, g := range r.order {
				for i := range g.width {
					if t := (ref{g, i}); g.node == n && t.state() == waiting && !found[t] {
						return fmt.Errorf("task %s/%s waits and nothing will find it", n.name, t.id())
					}
				}
			}
		}
	}
	return nil
}

func (r *Run) checkTask(t ref) error {
	k := t.live()
	state := t.state()
	if k == nil {
		if state != absent && state != waiting && state != succeeded {
			return fmt.Errorf("%s without a record of it", state)
		}
		return nil
	}
	if (k.lease != nil) != (state == leased || state == running) {
		return fmt.Errorf("%s, and its lease is %v", state, k.lease)
	}
	if l := k.lease; l != nil {
		if held, ok := l.inc.slots[l.slot]; !ok || held != t {
			return fmt.Errorf("the lessee's slot %d does not hold it", l.slot)
		}
		if _, ok := r.leases[l.token]; !ok || l.token > r.token {
			return fmt.Errorf("token %d is not live, the newest is %d", l.token, r.token)
		}
		if (l.started >= 0) != (state == running) {
			return fmt.Errorf("%s with attempt %d begun", state, l.started)
		}
	}
	good := 0
	id := 0 // under which of the task's ids
	member := t.g.gang != nil
	for i, a := range k.attempts {
		first := 0
		for id < len(k.continued) && k.continued[id] <= i {
			id++
		}
		if id > 0 {
			first = k.continued[id-1]
		}
		if a.number != i-first && !t.node().parameters && !member || a.number >= maxAttempts || member && i > first && a.number <= k.attempts[i-1].number {
			return fmt.Errorf("attempt %d is the %dth", a.number, i)
		}
		if a.outcome == attemptRunning && (i != len(k.attempts)-1 || state != running) {
			return fmt.Errorf("attempt %d runs in a task that is %s", a.number, state)
		}
		if a.outcome == attemptSucceeded {
			good++
			if i != len(k.attempts)-1 && !member {
				return fmt.Errorf("attempt %d succeeded, and %d was started after it", a.number, len(k.attempts)-1)
			}
		}
	}
	if member {
		return nil // its success counts together with the others'
	}
	if (good == 1) != (state == succeeded) {
		return fmt.Errorf("%s with %d successful attempts", state, good)
	}
	return nil
}
