package schedule

import (
	"container/heap"
	"slices"
)

// span is a range of fresh tasks.
type span struct {
	g      *group
	lo, hi int64 // [lo, hi)
}

// readyQueue is what a pool can lease now, first in first out, tasks that
// were tried before ahead of fresh ones: they are what a join waits for.
// Entries are hints. A task may have been leased by another way (affinity) or
// wait for its time; take skips such entries, so each costs O(1) once.
type readyQueue struct {
	retried []ref
	fresh   []span
	// sweepAt is the length of fresh at which entries that are of no use any
	// more are thrown out: iterations of loops are mostly leased by affinity.
	sweepAt int
}

// put adds a task that becomes runnable. Neighbours merge, so the splits of a
// foreach are one entry.
func (q *readyQueue) put(t ref) {
	if n := len(q.fresh); n > 0 && q.fresh[n-1].g == t.g && q.fresh[n-1].hi == t.i {
		q.fresh[n-1].hi++
		return
	}
	if len(q.fresh) >= max(q.sweepAt, 1024) {
		q.fresh = slices.DeleteFunc(q.fresh, func(s span) bool { return s.hi-s.lo == 1 && (ref{s.g, s.lo}).state() != waiting })
		q.sweepAt = 2 * len(q.fresh)
	}
	q.fresh = append(q.fresh, span{t.g, t.i, t.i + 1})
}

func (q *readyQueue) putSpan(s span) { q.fresh = append(q.fresh, s) }

func (q *readyQueue) putRetried(t ref) { q.retried = append(q.retried, t) }

// take removes the first task that can be leased at this moment.
func (q *readyQueue) take(now Millis) (ref, bool) {
	for len(q.retried) > 0 {
		t := q.retried[0]
		q.retried = q.retried[1:]
		if t.leasable(now) {
			return t, true
		}
	}
	for len(q.fresh) > 0 {
		s := &q.fresh[0]
		t := ref{s.g, s.lo}
		s.lo++
		if s.lo == s.hi {
			q.fresh = q.fresh[1:]
		}
		if t.leasable(now) {
			return t, true
		}
	}
	return ref{}, false
}

func (t ref) leasable(now Millis) bool {
	if t.state() != waiting {
		return false
	}
	k := t.live()
	return k == nil || k.notBefore <= now
}

// alarm is a moment at which a task needs a look: a retry delay that ends, a
// lease that may have expired.
type alarm struct {
	at    Millis
	token uint64
	task  ref
}

// alarms is a heap by time; tokens break ties so that two replicas of a run
// see the same order.
type alarms []alarm

func (h alarms) Len() int { return len(h) }
func (h alarms) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].token < h[j].token
}
func (h alarms) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *alarms) Push(x any) { *h = append(*h, x.(alarm)) }

// Pop implements heap.Interface.
func (h *alarms) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = alarm{}
	*h = (*h)[:last]
	return a
}

func (h *alarms) set(a alarm) { heap.Push(h, a) }

func (h *alarms) drop() { heap.Pop(h) }

// due removes the first alarm whose time has come.
func (h *alarms) due(now Millis) (alarm, bool) {
	if len(*h) == 0 || (*h)[0].at > now {
		return alarm{}, false
	}
	return heap.Pop(h).(alarm), true
}
