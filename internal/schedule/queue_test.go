package schedule

import "testing"

// TestQueueForgetsWhatIsLeasedOtherwise: iterations that are leased by affinity
// leave their entries behind; the queue does not grow with them.
func TestQueueForgetsWhatIsLeasedOtherwise(t *testing.T) {
	const places = 100
	n := &node{loops: true}
	var q readyQueue
	groups := make([]*group, places)
	for i := range groups {
		groups[i] = &group{node: n}
	}
	for iteration := range int64(200) {
		for _, g := range groups {
			if iteration > 0 {
				g.state[iteration-1] = succeeded
			}
			g.state = append(g.state, waiting)
			g.width++
			q.put(ref{g, iteration})
		}
		if len(q.fresh) > 2048 {
			t.Fatalf("%d entries for %d waiting tasks", len(q.fresh), places)
		}
	}
	for i := range places {
		if task, ok := q.take(0); !ok || task.i != 199 {
			t.Fatalf("the %dth task found is %v, %t", i, task, ok)
		}
	}
	if task, ok := q.take(0); ok {
		t.Fatalf("found %v, nothing more waits", task)
	}
}
