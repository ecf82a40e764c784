package schedule

import "iter"

// Snapshot is a run as people see it: small, whatever the run's width. The
// tasks come from Run.Tasks.
type Snapshot struct {
	Run   RunView
	Pools []PoolView
}

// RunView is proto RunSummary.
type RunView struct {
	RunID    string
	Flow     string
	State    RunState
	Reason   string
	OpenedAt Millis
	// EndedAt is 0 while the run is running.
	EndedAt Millis
	// Closed: KFP has ended the flow (Finished).
	Closed bool
}

// PoolView is proto PoolSummary.
type PoolView struct {
	Pool            string
	Steps           []string
	Tasks           int64
	Waiting         int64
	Running         int64 // leased or running
	Succeeded       int64
	Failed          int64 // failed or cancelled
	WorkersExpected int   // 0 while the width is not known
	WorkersJoined   int
	Drained         bool
	// WaitingSince is since when the pool has had runnable tasks and no
	// worker; 0 when that is not so.
	WaitingSince Millis
}

// TaskView is proto TaskView.
type TaskView struct {
	Task TaskID
	// State: waiting, leased, running, succeeded, failed, cancelled.
	State    string
	Attempts []AttemptView
}

// AttemptView is proto AttemptView.
type AttemptView struct {
	Attempt int
	// Outcome: running, lost, succeeded, failed, cancelled.
	Outcome   string
	Failure   *Failure
	Adopted   bool
	Worker    string // pool and index: "train/3"
	StartedAt Millis
	EndedAt   Millis // 0 while running
}

// Snapshot returns the run and its pools.
func (r *Run) Snapshot() Snapshot { return Snapshot{} }

// Tasks yields every task in the order of their making. The run must not be
// stepped meanwhile.
func (r *Run) Tasks() iter.Seq[TaskView] { return func(func(TaskView) bool) {} }
