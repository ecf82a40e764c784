package flowgen

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// Task is a task that running the flow must give.
type Task struct {
	Step string
	// Indices are the foreach indices, outermost first, and for a gang's
	// member its rank as the last one. Turn is the iteration of a loop, 0
	// elsewhere.
	Indices []int64
	Turn    int
	// ID is the task id of the place.
	ID string
	// Inputs are the tasks whose artifacts it reads, none for the first one.
	Inputs []*Task
	// SplitIndex is the index given to a foreach's or a gang's child, -1 to
	// others.
	SplitIndex int64
	// Members is the size of the gang the task is in, 0 outside.
	Members int64
	Transition
	// Fails is how many attempts raise; Caught: @catch goes on after that.
	Fails  int
	Caught bool
	// Digest is the artifact of that name: it depends on all inputs.
	Digest uint32

	widths []int64 // the number of siblings per index
}

// name is the task as "step/id".
func (t *Task) name() string { return t.Step + "/" + t.ID }

// walk simulates Metaflow's own runtime: what has finished stands in a table by
// step, foreach stack and turn, and each task that finishes queues what
// follows.
type walk struct {
	f        *Flow
	parents  map[string][]string
	splits   map[string][]string
	finished map[string]*Task
	queue    []*Task
	tasks    []*Task
}

// Tasks returns what running the flow gives, in an order in which it could
// run. It fails when there are more than limit.
func (f *Flow) Tasks(limit int) ([]*Task, error) {
	w := &walk{f: f, parents: f.parents(), splits: f.splits(), finished: map[string]*Task{}}
	w.push(&Task{Step: f.Start, SplitIndex: -1})
	for len(w.queue) > 0 {
		if len(w.tasks) == limit {
			return nil, fmt.Errorf("more than %d tasks", limit)
		}
		t := w.queue[0]
		w.queue = w.queue[1:]
		w.tasks = append(w.tasks, t)
		w.follow(t)
	}
	return w.tasks, nil
}

// push queues a task whose place and inputs are known.
func (w *walk) push(t *Task) {
	s := w.f.Step(t.Step)
	path := pathText(t.Indices)
	t.ID = taskID(s, t.Indices, t.Turn)
	t.Transition = w.f.Transition(s, t.Indices, t.Turn)
	t.Fails = w.f.fails(s, path, t.Turn)
	t.Caught = s.Catch && t.Fails > s.Retries
	t.Digest = digest(s, t)
	w.queue = append(w.queue, t)
}

func key(step string, indices []int64, turn int) string {
	return fmt.Sprint(step, indices, turn)
}

const noTurn = -1

func (w *walk) follow(t *Task) {
	s := w.f.Step(t.Step)
	if s.Loops() {
		w.finished[key(t.Step, t.Indices, t.Turn)] = t
	}
	if !s.Loops() || t.Next[0] != t.Step {
		w.finished[key(t.Step, t.Indices, noTurn)] = t // out of the loop
	}
	for _, next := range t.Next {
		target := w.f.Step(next)
		switch {
		case target.Join:
			w.join(t, target)
		case s.Kind == Foreach:
			w.fan(t, next, t.NumSplits, 0)
		case s.Kind == Gang:
			w.fan(t, next, t.GangSize, t.GangSize)
		case next == t.Step:
			w.push(&Task{Step: next, Indices: t.Indices, widths: t.widths, Turn: t.Turn + 1, Inputs: []*Task{t}, SplitIndex: -1})
		default:
			w.push(&Task{Step: next, Indices: t.Indices, widths: t.widths, Inputs: []*Task{t}, SplitIndex: -1})
		}
	}
}

func (w *walk) fan(t *Task, next string, width, gang int64) {
	for i := range width {
		w.push(&Task{
			Step: next, Indices: append(slices.Clone(t.Indices), i), widths: append(slices.Clone(t.widths), width),
			Inputs: []*Task{t}, SplitIndex: i, Members: gang,
		})
	}
}

// join queues a join when all it waits for has finished: for a foreach every
// sibling, whichever step it ended in; for a static split one parent per
// branch at the same stack.
func (w *walk) join(t *Task, join *Step) {
	open := w.splits[join.Name]
	split := w.f.Step(open[len(open)-1])
	var inputs []*Task
	outer, widths := t.Indices, t.widths
	want := len(split.Next)
	if split.Kind == Split {
		inputs = w.ended(join, t.Indices)
	} else {
		last := len(t.Indices) - 1
		outer, widths = t.Indices[:last], t.widths[:last]
		want = int(t.widths[last])
		for i := range t.widths[last] {
			inputs = append(inputs, w.ended(join, append(slices.Clone(outer), i))...)
		}
	}
	if len(inputs) == want {
		w.push(&Task{Step: join.Name, Indices: outer, widths: widths, Inputs: inputs, SplitIndex: -1})
	}
}

// ended are the join's parents that have finished at a stack.
func (w *walk) ended(join *Step, indices []int64) []*Task {
	var out []*Task
	for _, parent := range w.parents[join.Name] {
		if t := w.finished[key(parent, indices, noTurn)]; t != nil {
			out = append(out, t)
		}
	}
	return out
}

// taskID is the id of a place: "task", the foreach indices, "n" and the rank in
// a gang, "r" and the turn of a loop.
func taskID(s *Step, indices []int64, turn int) string {
	var b strings.Builder
	b.WriteString("task")
	for i, index := range indices {
		b.WriteByte('-')
		if s.Member && i == len(indices)-1 {
			b.WriteByte('n')
		}
		b.WriteString(strconv.FormatInt(index, 10))
	}
	if s.Loops() {
		b.WriteString("-r" + strconv.Itoa(turn))
	}
	return b.String()
}

// digest is what the script's function visit computes: over the place and the
// inputs' digests, sorted in a join. A step whose exception was caught leaves
// it as it found it.
func digest(s *Step, t *Task) uint32 {
	before := []uint32{0}
	if len(t.Inputs) > 0 {
		before = nil
	}
	for _, in := range t.Inputs {
		before = append(before, in.Digest)
	}
	if t.Caught {
		if s.Join {
			return 0
		}
		return before[0]
	}
	slices.Sort(before)
	words := make([]string, len(before))
	for i, b := range before {
		words[i] = strconv.FormatUint(uint64(b), 10)
	}
	text := fmt.Sprintf("%s|%s|%d|%s", s.Name, pathText(t.Indices), t.Turn, strings.Join(words, ","))
	return crc32.ChecksumIEEE([]byte(text))
}

// place is the artifact of that name.
func (t *Task) place() string { return fmt.Sprintf("%s@%s#%d", t.Step, pathText(t.Indices), t.Turn) }
