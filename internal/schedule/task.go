package schedule

import "slices"

// taskState is where a task stands. The zero value is a place in the graph
// that no task has reached.
type taskState uint8

const (
	absent taskState = iota
	waiting
	leased
	running
	succeeded
	failed
	cancelled
	numStates
)

var stateNames = [numStates]string{"absent", "waiting", "leased", "running", "succeeded", "failed", "cancelled"}

func (s taskState) String() string { return stateNames[s] }

// group is the tasks of one step within one enclosing foreach: a dense range
// of indices, one byte each, plus what only some of them need. A step outside
// any foreach is a group of width 1. A loop has a group for each of its places;
// the indices are the iterations, and it grows with each.
type group struct {
	node *node
	// parent is the place of the split whose indices these are, empty at depth
	// 0; of a loop the place itself.
	parent string
	width  int64
	state  []taskState
	// done holds the common ending compactly: attempt 0 succeeded at once.
	// Allocated with the first one.
	done []doneAttempt
	// choice is where a switch went, as an index into the node's next steps;
	// allocated with the first one.
	choice []int16
	// cloned marks what was taken over from the origin run; allocated with the
	// first.
	cloned []bool
	// live holds every task that is leased, was retried, or failed.
	live map[int64]*task
	// gang is set when the tasks are the members of one.
	gang *gang
	// arrived counts the inputs of a join that is not complete yet.
	arrived map[int64]int64
}

// groupKey finds a group.
type groupKey struct {
	node   int
	parent string
}

// ref is one task.
type ref struct {
	g *group
	i int64
}

func (t ref) state() taskState { return t.g.state[t.i] }
func (t ref) live() *task      { return t.g.live[t.i] }
func (t ref) node() *node      { return t.g.node }

// open returns the task's sparse part, made if need be.
func (t ref) open() *task {
	k := t.g.live[t.i]
	if k == nil {
		k = &task{}
		if t.g.live == nil {
			t.g.live = map[int64]*task{}
		}
		t.g.live[t.i] = k
	}
	return k
}

// setAt sets an index of a group's slice that is allocated, or grown to the
// group's width, when first needed.
func setAt[T any](s []T, i int64, v T, width int64) []T {
	if int64(len(s)) < width {
		s = slices.Grow(s, int(width)-len(s))[:width]
	}
	s[i] = v
	return s
}

// doneAttempt is a task that succeeded with attempt 0 and never looked back.
type doneAttempt struct {
	token          uint64
	started, ended Millis
	worker         int32
}

// compact forgets the sparse part of a task whose ending is the common one.
func (t ref) compact() {
	k := t.live()
	if a := &k.attempts[0]; len(k.attempts) == 1 && a.number == 0 && !a.adopted && len(k.continued) == 0 {
		d := doneAttempt{token: a.token, started: a.started, ended: a.ended, worker: a.worker}
		t.g.done = setAt(t.g.done, t.i, d, t.g.width)
		delete(t.g.live, t.i)
	}
}

// task is the sparse part of a task.
type task struct {
	// notBefore is when a waiting task may be leased.
	notBefore Millis
	// base is the number of attempts that a re-opening has forgiven.
	base     int
	attempts []attempt
	// continued is how many attempts there were each time the task went on
	// under a new id.
	continued []int
	lease     *lease
	// verdict is why the task failed, when no attempt says it.
	verdict string
}

// outcome of an attempt.
type outcome uint8

const (
	attemptRunning outcome = iota
	// attemptLost: its lease ended without a verdict. While it is the newest,
	// the next lessee may adopt what it left behind.
	attemptLost
	attemptSucceeded
	attemptFailed
	attemptCancelled
)

var outcomeNames = [...]string{"running", "lost", "succeeded", "failed", "cancelled"}

func (o outcome) String() string { return outcomeNames[o] }

// attempt is one started attempt.
type attempt struct {
	number         int
	outcome        outcome
	adopted        bool
	worker         int32  // that ran it
	reporter       int32  // that reported it
	token          uint64 // of the lease that started it, then of the one that reported it
	started, ended Millis
	failure        *Failure
	retry          bool
}

// first is the index of the first attempt under the task's present id.
func (k *task) first() int {
	if n := len(k.continued); n > 0 {
		return k.continued[n-1]
	}
	return 0
}

// adoptable returns the newest attempt when its outcome never came.
func (k *task) adoptable() *attempt {
	if n := len(k.attempts); n > k.first() && k.attempts[n-1].outcome == attemptLost {
		return &k.attempts[n-1]
	}
	return nil
}

// adoptable is the attempt that the task's lessee may adopt. A member of a gang
// is never adopted alone.
func (t ref) adoptable() *attempt {
	if t.g.gang != nil {
		return nil
	}
	return t.live().adoptable()
}

// nextNumber is that of the attempt begun next.
func (t ref) nextNumber() int {
	if t.g.gang != nil {
		return t.g.gang.number
	}
	return len(t.live().attempts) - t.live().first()
}

// setState moves a task and keeps the counts.
func (r *Run) setState(t ref, to taskState) {
	from := t.g.state[t.i]
	if from == to {
		return
	}
	n := t.node()
	c := &r.steps[n.index]
	p := r.pools[n.pool.index]
	if from != absent {
		c.counts[from]--
		p.counts[from]--
	} else {
		c.made++
	}
	if to == waiting && p.counts[waiting] == 0 {
		p.runnableSince = r.now
	}
	c.counts[to]++
	p.counts[to]++
	t.g.state[t.i] = to
}

// stepState is the counts of one step.
type stepState struct {
	made   int64
	counts [numStates]int64
	// fanned is the sum of the widths of the step's foreach tasks so far, routed
	// how many of a switch's tasks went to each of its next steps.
	fanned int64
	routed []int64
	// gangs is how many the step's tasks have asked for, largest the most
	// members of one.
	gangs, largest int64
	// closed: no task of the step exists unfinished or can still appear. Never
	// revoked, since only unfinished tasks are ever re-opened.
	closed bool
}

// group returns the group of a step below a parent, made if need be.
func (r *Run) group(n *node, parent string, width int64) *group {
	key := groupKey{n.index, parent}
	if g := r.groups[key]; g != nil {
		return g
	}
	g := &group{node: n, parent: parent, width: width, state: make([]taskState, width)}
	r.groups[key] = g
	r.order = append(r.order, g)
	return g
}
