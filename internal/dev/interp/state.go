package interp

import (
	"encoding/json"
	"time"
)

// State is that of a node, in Argo's words.
type State string

// The states of a node.
const (
	Waiting   State = ""
	Pending   State = "Pending"
	Running   State = "Running"
	Succeeded State = "Succeeded"
	Skipped   State = "Skipped"
	Failed    State = "Failed"
	Errored   State = "Error"
	Omitted   State = "Omitted"
)

func (s State) fulfilled() bool {
	switch s {
	case Succeeded, Skipped, Failed, Errored, Omitted:
		return true
	default:
		return false
	}
}

func (s State) good() bool { return s == Succeeded || s == Skipped }

// Kind is what a node is.
type Kind string

// The kinds of nodes.
const (
	KindDAG  Kind = "dag"
	KindPool Kind = "pool"
	KindPod  Kind = "pod"
)

// Node is one place of a run. It is recorded as JSON.
type Node struct {
	Path    string `json:"path"`
	Task    string `json:"task"`
	Kind    Kind   `json:"kind"`
	State   State  `json:"state,omitempty"`
	Message string `json:"message,omitempty"`
	Inputs  Values `json:"inputs,omitempty"`
	Outputs Values `json:"outputs,omitempty"`
	// Children counts a pool's pods.
	Children int       `json:"children,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`

	// The rest is a pod's.
	UID   string `json:"uid,omitempty"`
	Name  string `json:"name,omitempty"`
	Retry int    `json:"retry,omitempty"`
	// Seq orders the queue; NotBefore holds a restarted pod back.
	Seq       int64     `json:"seq,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	// FirstStart is that of attempt 0, from which KFP counts the time left
	// for restarts.
	FirstStart time.Time `json:"first_start,omitzero"`
	// Evicted pods fail, whatever their container says.
	Evicted bool    `json:"evicted,omitempty"`
	Proc    Process `json:"process,omitzero"`
}

// Process is where a pod's supervisor is found again.
type Process struct {
	UID   string `json:"uid"`
	PID   int    `json:"pid"`
	Start string `json:"start"`
	// Proxy is the port of the pod's own way to the driver.
	Proxy int `json:"proxy,omitempty"`
}

// Record is a run as it is kept.
type Record struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Created  time.Time        `json:"created"`
	Ended    time.Time        `json:"ended,omitzero"`
	Document []byte           `json:"document"`
	Args     Values           `json:"args"`
	Nodes    map[string]*Node `json:"nodes"`
	// Meta is what the API keeps with a run.
	Meta json.RawMessage `json:"meta,omitempty"`
	// Terminating was asked for and is not over.
	Terminating bool  `json:"terminating,omitempty"`
	Seq         int64 `json:"seq"`
	// Orphans are processes of pods that vanished while they lived.
	Orphans []Process `json:"orphans,omitempty"`
}

// ending is how a pod's process was seen to end.
type ending struct {
	code    int
	message string
	outputs Values
	// vanished: nobody saw the end.
	vanished bool
}
