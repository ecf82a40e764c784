package interp

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"time"
)

// View is a run as it is now.
type View struct {
	ID, Name       string
	Created, Ended time.Time
	// State is KFP's word.
	State   string
	Message string
	Args    Values
	Meta    json.RawMessage
	Tasks   []TaskView
}

// TaskView is a node as KFP's run details show it.
type TaskView struct {
	ID, Task, State, Message, PodName string
	Created, Started, Ended           time.Time
	// Children are the places below.
	Children []string
}

// kfp is the state in KFP's words.
func (s State) kfp() string {
	switch s {
	case Waiting, Pending:
		return "PENDING"
	case Running:
		return "RUNNING"
	case Succeeded:
		return "SUCCEEDED"
	case Skipped, Omitted:
		return "SKIPPED"
	case Failed, Errored:
		return "FAILED"
	}
	return "RUNTIME_STATE_UNSPECIFIED"
}

func (m *machine) view() View {
	root := m.root()
	v := View{ID: m.r.ID, Name: m.r.Name, Created: m.r.Created, Ended: m.r.Ended, State: root.State.kfp(), Args: m.r.Args, Meta: m.r.Meta}
	if m.r.Terminating {
		v.State = "CANCELING"
	}
	if root.State == Failed {
		v.Message = m.firstFailure(".")
	}
	below := map[string][]string{}
	nodes := m.sorted()
	for _, n := range nodes {
		if n.Path != "." {
			folder := path.Dir(n.Path)
			below[folder] = append(below[folder], n.Path)
		}
	}
	for _, n := range nodes {
		if n.State == Waiting {
			continue // Argo has no node for it yet
		}
		v.Tasks = append(v.Tasks, TaskView{
			ID: n.Path, Task: n.Task, State: n.State.kfp(), Message: n.Message, PodName: n.Name,
			Created: m.r.Created, Started: n.Started, Ended: n.Ended, Children: below[n.Path],
		})
	}
	return v
}

// sorted returns the nodes by their places, a pool's pods by their numbers.
func (m *machine) sorted() []*Node {
	out := make([]*Node, 0, len(m.r.Nodes))
	for _, n := range m.r.Nodes {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b *Node) int {
		folderA, lastA, _ := cutLast(a.Path)
		folderB, lastB, _ := cutLast(b.Path)
		x, errX := strconv.Atoi(lastA)
		y, errY := strconv.Atoi(lastB)
		if folderA == folderB && errX == nil && errY == nil {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(a.Path, b.Path)
	})
	return out
}

func sortNewest(views []View) {
	slices.SortFunc(views, func(a, b View) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
}
