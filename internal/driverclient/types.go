package driverclient

import "time"

// TaskRef names one task of the run.
type TaskRef struct {
	Step, TaskID string
}

// Task is one leased task.
type Task struct {
	// Slot and Token are the lease; Token fences.
	Slot  int
	Token uint64
	Ref   TaskRef
	// Parameters is true for the `_parameters` task; ParametersJSON holds
	// their values.
	Parameters     bool
	ParametersJSON string
	Inputs         Inputs
	SplitIndex     *int64
	IndexPath      []int64
	// AdoptAttempt is a started attempt whose outcome the driver never heard.
	AdoptAttempt *int
	// Gang is set for a member of a gang.
	Gang *Gang
	// CloneFrom is the run whose task of the same step and id may be taken over
	// instead of running this one; empty for none.
	CloneFrom string
	// OriginRun is the run that this one goes on from; empty for none.
	OriginRun string
}

// Gang is a task's place among those that run together.
type Gang struct {
	// Size is num_parallel; Rank counts from 0, the control task.
	Size, Rank int
	// MainAddress is the address that rank 0 joined with.
	MainAddress string
	// Members are the task ids by rank.
	Members []string
}

// Inputs are the input tasks in order: a list, or for a foreach join ranges.
type Inputs struct {
	List   []TaskRef
	Count  int64
	Ranges []LeafRange
}

// LeafRange says that splits First..Last, inclusive, ended in Step; the id of
// split i is Prefix + "-" + i + Suffix.
type LeafRange struct {
	First, Last          int64
	Step, Prefix, Suffix string
}

// WorkerList is the list of worker indices a pool iterates over.
type WorkerList struct {
	Step    string
	Workers []int32
}

// Terms are the driver's numbers for leases.
type Terms struct {
	TTL, RenewEvery, OrphanGrace, LongestWrite time.Duration
}

// RunState is where a run stands.
type RunState string

// The states of a run.
const (
	RunUnknown   RunState = "unknown"
	RunRunning   RunState = "running"
	RunSucceeded RunState = "succeeded"
	RunFailed    RunState = "failed"
	RunCancelled RunState = "cancelled"
)

// Ended says that the run is over. ExitFailed: this worker recorded the final
// failure and exits 1.
type Ended struct {
	State      RunState
	Reason     string
	ExitFailed bool
}

// Answer is what the driver says to a worker or a gate; exactly one of Task,
// Leave, Drained, Ended, GiveWay is set, or none: then ask again after Wait.
type Answer struct {
	Task    *Task
	Wait    time.Duration
	Leave   bool
	Drained bool
	// Lists come with Drained: the worker lists of every step that the pool's
	// steps steer.
	Lists []WorkerList
	Ended *Ended
	// GiveWay says why this worker makes room: its gang could not form.
	GiveWay string
}

// Class says whose budget a failure consumes.
type Class string

// The failure classes.
const (
	User           Class = "user"
	Infrastructure Class = "infrastructure"
	Final          Class = "final"
	Cancelled      Class = "cancelled"
)

// Failure is why an attempt did not succeed.
type Failure struct {
	Class  Class
	Reason string
	// ExitCode is the child's, or 128 + signal; nil when none was started.
	ExitCode *int
	// OutOfMemory: the kernel ended the child for its memory.
	OutOfMemory bool
}

// Transition is what a successful task decided.
type Transition struct {
	Next      []string
	NumSplits int64
	GangSize  int64
}

// Outcome is an attempt's end: exactly one of Succeeded and Failed is set.
type Outcome struct {
	Attempt   int
	Succeeded *Transition
	Failed    *Failure
	// Adopted: read from the store, not seen.
	Adopted bool
	// Cloned: taken over from the run that CloneFrom named.
	Cloned bool
}
