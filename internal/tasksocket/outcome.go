package tasksocket

// Transition is where the flow goes on after an attempt.
type Transition struct {
	Next      []string `json:"next"`
	NumSplits int64    `json:"num_splits"`
	GangSize  int64    `json:"gang_size"`
}

// ClonedFrom names the attempt of the same step that another run made.
type ClonedFrom struct {
	Run     string `json:"run"`
	Task    string `json:"task"`
	Attempt int    `json:"attempt"`
}

// Outcome is what an attempt left behind, as far as the store knows. Together
// with the exit code it makes the verdict.
type Outcome struct {
	// Transition is what the hook told; nil when it never ran.
	Transition *Transition
	// TaskOK is the artifact _task_ok: nil when it was not stored, or as None.
	TaskOK *bool
	// DataWritten and DoneWritten say that data.json and DONE.lock of this
	// attempt are in the store.
	DataWritten, DoneWritten bool
	// Trouble is the last failure of a store or service that was answered to
	// the child although it had asked for nothing wrong, or that the shim met
	// itself: when the child then fails, that is why.
	Trouble error
	// ClonedFrom is whose outcome it is, when the attempt was taken over from
	// another run.
	ClonedFrom *ClonedFrom
	// Fenced says that a write was refused because the lease is lost.
	Fenced bool
}
