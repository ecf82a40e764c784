package dispatch

import "container/heap"

// timers orders the runs by when they next need the loop's attention.
type timers []*run

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].wake < t[j].wake }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i, j
}

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	r := x.(*run)
	r.place = len(*t)
	*t = append(*t, r)
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	(*t)[len(*t)-1] = nil
	*t = (*t)[:len(*t)-1]
	last.place = noPlace
	return last
}

// set arms, moves or (with never) disarms the run's timer.
func (t *timers) set(r *run) {
	switch {
	case r.wake == never && r.place == noPlace:
	case r.wake == never:
		heap.Remove(t, r.place)
	case r.place == noPlace:
		heap.Push(t, r)
	default:
		heap.Fix(t, r.place)
	}
}
