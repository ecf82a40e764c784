package schedule

import (
	"fmt"
	"strconv"
	"strings"
)

// Task ids are the task's place in the graph: "task", then "-" and an index
// per foreach frame, outermost first: "task-3-7". They start with a letter
// and stay the same over attempts. Reserved for later, in this order:
// "-r<k>" for iteration k of a recursion, "-n<rank>" for a gang's member,
// "-i<k>" for the continuation of a task whose attempt numbers are used up.
const (
	rootID       = "task"
	parametersID = "params"
)

func (t ref) id() string {
	switch {
	case t.g.node.parameters:
		return parametersID
	case t.g.node.depth == 0:
		return rootID
	default:
		return t.g.parent + "-" + strconv.FormatInt(t.i, 10)
	}
}

func (t ref) taskID() TaskID { return TaskID{Step: t.g.node.name, Task: t.id()} }

// place is the id of the task's place; that of `_parameters` is the root.
func (t ref) place() string {
	if t.g.node.parameters {
		return rootID
	}
	return t.id()
}

// find returns the task of that id, or ErrUnknown.
func (r *Run) find(id TaskID) (ref, error) {
	unknown := func() (ref, error) {
		return ref{}, fmt.Errorf("%w: no task %s/%s in this run", ErrUnknown, clip(id.Step), clip(id.Task))
	}
	if r.graph == nil {
		return unknown()
	}
	n := r.graph.byName[id.Step]
	if n == nil {
		return unknown()
	}
	if n.parameters {
		if id.Task != parametersID {
			return unknown()
		}
		return r.at(n, rootID, unknown)
	}
	return r.at(n, id.Task, unknown)
}

// at returns the task of a step at a place.
func (r *Run) at(n *node, place string, unknown func() (ref, error)) (ref, error) {
	parent, i, ok := splitPlace(n, place)
	if !ok {
		return unknown()
	}
	g := r.groups[groupKey{n.index, parent}]
	if g == nil || i >= g.width || g.state[i] == absent {
		return unknown()
	}
	return ref{g, i}, nil
}

// splitPlace takes the last index off a place of the step's depth.
func splitPlace(n *node, place string) (parent string, i int64, ok bool) {
	if n.depth == 0 {
		return "", 0, place == rootID
	}
	cut := strings.LastIndexByte(place, '-')
	if cut < 0 {
		return "", 0, false
	}
	digits := place[cut+1:]
	i, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || i < 0 || strconv.FormatInt(i, 10) != digits {
		return "", 0, false
	}
	return place[:cut], i, true
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
