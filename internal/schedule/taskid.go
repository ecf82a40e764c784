package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// Task ids are the task's place in the graph: "task", then "-" and an index
// per foreach frame, outermost first: "task-3-7". They start with a letter
// and stay the same over attempts. A task of a loop has its iteration after
// the place, "-r<k>" from 0; what follows the loop is at the place alone. A
// gang's member has its rank, "-n<rank>". The k-th continuation of a task whose
// attempt numbers are used up (continue.go) ends in "-i<k>".
const (
	rootID       = "task"
	parametersID = "params"
)

func (t ref) id() string {
	if t.g.node.parameters {
		return parametersID
	}
	return t.place() + t.suffix()
}

func (t ref) taskID() TaskID { return TaskID{Step: t.g.node.name, Task: t.id()} }

// place is where in the graph the task stands; that of `_parameters` is the
// root.
func (t ref) place() string {
	switch n := t.g.node; {
	case n.loops:
		return t.g.parent
	case n.gang:
		return memberID(t.g.parent, t.i)
	case n.depth == 0:
		return rootID
	default:
		return inside(t.g.parent, t.i)
	}
}

// suffix is what the task's id has after its place.
func (t ref) suffix() string {
	s := ""
	if t.g.node.loops {
		s = "-r" + strconv.FormatInt(t.i, 10)
	}
	return s + continuation(t.continuations())
}

// inside is the place of a split's child, outer the way back.
func inside(place string, i int64) string { return place + "-" + strconv.FormatInt(i, 10) }

func outer(place string) string { return place[:max(0, strings.LastIndexByte(place, '-'))] }

// find returns the task of that id, or ErrUnknown. An id that the task has
// left behind still finds it, so that what is told about it is stale, not
// unknown.
func (r *Run) find(id TaskID) (ref, error) {
	if r.graph != nil {
		if n := r.graph.byName[id.Step]; n != nil {
			if t, ok := r.named(n, id.Task); ok {
				return t, nil
			}
		}
	}
	return ref{}, fmt.Errorf("%w: no task %s/%s in this run", ErrUnknown, clip(id.Step), clip(id.Task))
}

// named returns the task of a step by its id, present or left behind.
func (r *Run) named(n *node, id string) (ref, bool) {
	if rest, k, ok := cutSuffix(id, "-i"); ok {
		t, ok := r.placed(n, rest)
		return t, ok && k > 0 && k <= int64(t.continuations())
	}
	return r.placed(n, id)
}

// placed returns the task of a step by its first id.
func (r *Run) placed(n *node, id string) (ref, bool) {
	if n.parameters {
		return ref{r.groups[groupKey{n.index, ""}], 0}, id == parametersID
	}
	if !n.loops {
		return r.latest(n, id)
	}
	place, iteration, ok := cutSuffix(id, "-r")
	if !ok {
		return ref{}, false
	}
	t := ref{r.groups[groupKey{n.index, place}], iteration}
	return t, t.g != nil && iteration < t.g.width
}

// latest returns the task of a step at a place: of a loop the last iteration.
func (r *Run) latest(n *node, place string) (ref, bool) {
	if n.loops {
		g := r.groups[groupKey{n.index, place}]
		if g == nil {
			return ref{}, false
		}
		return ref{g, g.width - 1}, true
	}
	parent, i, ok := splitPlace(n, place)
	if !ok {
		return ref{}, false
	}
	t := ref{r.groups[groupKey{n.index, parent}], i}
	return t, t.g != nil && i < t.g.width && t.state() != absent
}

// cutSuffix takes a number and the mark before it off the end of an id.
func cutSuffix(id, mark string) (rest string, k int64, ok bool) {
	cut := strings.LastIndex(id, mark)
	if cut < 0 {
		return "", 0, false
	}
	k, ok = index(id[cut+len(mark):])
	return id[:cut], k, ok
}

// index reads a number as this package writes it.
func index(digits string) (int64, bool) {
	i, err := strconv.ParseInt(digits, 10, 64)
	return i, err == nil && i >= 0 && strconv.FormatInt(i, 10) == digits
}

// splitPlace takes the last index off a place of the step's depth.
func splitPlace(n *node, place string) (parent string, i int64, ok bool) {
	if n.gang {
		return cutSuffix(place, "-n")
	}
	if n.depth == 0 {
		return "", 0, place == rootID
	}
	return cutSuffix(place, "-")
}

// indexPath is the foreach indices in a place, outermost first.
func indexPath(place string) []int64 {
	var path []int64
	for part := range strings.SplitSeq(strings.TrimPrefix(place, rootID), "-") {
		if i, err := strconv.ParseInt(part, 10, 64); err == nil {
			path = append(path, i)
		}
	}
	return path
}

// clip bounds what is copied from a message into an error or a record, and
// makes it survive JSON.
func clip(s string) string {
	const most = 4096
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
