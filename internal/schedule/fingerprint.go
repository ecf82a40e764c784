package schedule

import (
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"
)

// Fingerprint is a digest of everything durable: two runs with the same
// records have the same one. What may be forgotten (renewals, idle workers,
// the order of the queues) is not in it.
func (r *Run) Fingerprint() uint64 {
	h := fnv.New64a()
	r.dump(h)
	return h.Sum64()
}

// Dump is the durable state as text, for the message of a test that found two
// fingerprints to differ.
func (r *Run) Dump() string {
	var b strings.Builder
	r.dump(&b)
	return b.String()
}

func (r *Run) dump(w io.Writer) {
	if r.graph == nil {
		return
	}
	parameters := "-"
	if r.parameters != nil {
		parameters = *r.parameters
	}
	fmt.Fprintf(w, "run %s %s %q %s %s %q opened=%d ended=%d closed=%t token=%d\n",
		r.id, r.sha256, parameters, r.resume, r.state, r.reason, r.openedAt, r.endedAt, r.closed, r.token)
	for i, s := range r.steps {
		fmt.Fprintf(w, "step %s made=%d counts=%v fanned=%d routed=%v gangs=%d/%d closed=%t\n",
			r.graph.nodes[i].name, s.made, s.counts, s.fanned, s.routed, s.gangs, s.largest, s.closed)
	}
	for _, p := range r.pools {
		fmt.Fprintf(w, "pool %s counts=%v exit=%d gate=%q/%d since=%d due=%t/%d\n", p.def.name, p.counts, p.exit, p.gatePod, p.gateIndex, p.runnableSince, p.due, p.dueSince)
		for _, i := range slices.Sorted(maps.Keys(p.workers)) {
			wk := p.workers[i]
			fmt.Fprintf(w, " worker %d index=%d uid=%q alive=%d\n", i, wk.newest.retryIndex, wk.newest.podUID, len(wk.incarnations))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.incarnations)) {
		inc := r.incarnations[id]
		fmt.Fprintf(w, "incarnation %s %s index=%d address=%q gone=%q\n", id, inc.name(), inc.retryIndex, inc.address, inc.gone)
		for _, slot := range slices.Sorted(maps.Keys(inc.slots)) {
			fmt.Fprintf(w, " slot %d %s\n", slot, inc.slots[slot].taskID())
		}
	}
	for _, g := range r.order {
		fmt.Fprintf(w, "group %s %q width=%d arrived=%v choice=%v cloned=%v\n", g.node.name, g.parent, g.width, g.arrived, g.choice, g.cloned)
		if k := g.gang; k != nil {
			fmt.Fprintf(w, " gang round=%d number=%d begun=%t main=%q held=%d good=%d broken=%q by=%d lost=%t starved=%t/%t forgiven=%t notBefore=%d since=%d budget=%d+%d\n",
				k.round, k.number, k.begun, k.main, k.held, k.good, k.broken, k.by, k.lost, k.starves, k.starved, k.forgiven, k.notBefore, k.since, k.user, k.infrastructure)
		}
		for i := range g.width {
			r.dumpTask(w, ref{g, i})
		}
	}
	for _, t := range r.stopped {
		fmt.Fprintf(w, "stopped %s\n", t.taskID())
	}
}

func (r *Run) dumpTask(w io.Writer, t ref) {
	fmt.Fprintf(w, " %d %s", t.i, t.state())
	if k := t.live(); k != nil {
		fmt.Fprintf(w, " notBefore=%d base=%d continued=%v verdict=%q", k.notBefore, k.base, k.continued, k.verdict)
		if k.lease != nil {
			fmt.Fprintf(w, " token=%d inc=%s slot=%d started=%d", k.lease.token, k.lease.inc.id, k.lease.slot, k.lease.started)
		}
		for _, a := range k.attempts {
			fmt.Fprintf(w, " [%d %s adopted=%t worker=%d/%d token=%d %d-%d retry=%t", a.number, a.outcome, a.adopted, a.worker, a.reporter, a.token, a.started, a.ended, a.retry)
			if a.failure != nil {
				code := -1
				if a.failure.ExitCode != nil {
					code = *a.failure.ExitCode
				}
				fmt.Fprintf(w, " %s %q %d %t", a.failure.Class, a.failure.Reason, code, a.failure.OutOfMemory)
			}
			fmt.Fprint(w, "]")
		}
	} else if t.state() == succeeded {
		fmt.Fprintf(w, " %+v", t.g.done[t.i])
	}
	fmt.Fprintln(w)
}
