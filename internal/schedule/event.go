package schedule

import "github.com/millrace/millrace/internal/flowdef"

// Millis is a moment or a span in milliseconds. Moments are the shell's
// clock: max(previous, start + monotonic), never a launcher's.
type Millis int64

// Event is what happened to one run. Run.Step takes it, decides, and returns
// the records that make the decision durable.
type Event interface{ isEvent() }

// RunOpened is the first event of a run, and every launcher's first call.
type RunOpened struct {
	RunID            string
	Definition       *flowdef.Definition
	DefinitionSHA256 string
	// Parameters is the JSON object given by a launcher of the first pool;
	// nil from the others.
	Parameters *string
	// Resume comes with the parameters when the run goes on from another.
	Resume *Resume
}

// Resume names the run whose finished tasks are taken over. Step, when not
// empty, runs again, and all that follows from it.
type Resume struct {
	OriginRun string `json:"origin_run"`
	Step      string `json:"step,omitempty"`
}

// Joined is an incarnation that came up in a worker.
type Joined struct {
	Pool        string
	Worker      int
	Incarnation string
	RetryIndex  int
	PodUID      string
	PodName     string
	// Address is where others reach the pod, "host:port"; needed in a gang's
	// pool.
	Address string
}

// Left is an incarnation that said goodbye. Any lease it holds is over and
// its children are gone.
type Left struct{ Incarnation string }

// WorkerGone is proof that the incarnation's process has ended (the laptop
// stack reaped its pid).
type WorkerGone struct{ Incarnation string }

// LeaseAsked asks for a task for a slot.
type LeaseAsked struct {
	Incarnation string
	Slot        int
	// Prefer is the index path of the split last run here, as "3-7"; may be
	// ignored.
	Prefer string
}

// Renewed is a renewal of a held lease. It is not recorded.
type Renewed struct {
	Incarnation string
	Slot        int
	Task        TaskID
	Token       uint64
	// UsedBytes and LimitBytes are the last memory sample; 0 when unknown.
	UsedBytes, LimitBytes int64
}

// Released gives a task back without a verdict. ChildGone: no process of the
// attempt is left, so nothing need be waited out.
type Released struct {
	Incarnation string
	Slot        int
	Task        TaskID
	Token       uint64
	ChildGone   bool
	Reason      string
}

// AttemptStarted consumes an attempt number. Idempotent by token.
type AttemptStarted struct {
	Incarnation string
	Slot        int
	Task        TaskID
	Token       uint64
}

// Reported is an attempt's outcome. Exactly one of Succeeded and Failed is
// set. Idempotent by (task, attempt, token).
type Reported struct {
	Incarnation string
	Slot        int
	Task        TaskID
	Token       uint64
	Attempt     int
	Succeeded   *Transition
	Failed      *Failure
	Adopted     bool
	// Cloned: the outcome is that of the origin run's task (Grant.CloneFrom).
	Cloned bool
}

// GateAsked asks whether a pool is drained. Incarnation and RetryIndex tell
// one pod of the gate from the next, so that a gate made anew by `:retry`
// re-opens a failed run instead of burning its own retries while the worker
// is still pending; both are optional.
type GateAsked struct {
	Pool        string
	Incarnation string
	RetryIndex  int
}

// VerifyAsked asks whether the run is complete.
type VerifyAsked struct{}

// Cancelled asks for the run to stop.
type Cancelled struct{ Reason string }

// Finished is how KFP saw the flow end; it closes the run.
type Finished struct {
	KFPState string
	Message  string
}

// Tick lets time pass: leases expire, retry delays end.
type Tick struct{}

// Restarted is fed once after a load: nothing expires for the clients' TTL
// plus their largest backoff.
type Restarted struct{}

func (RunOpened) isEvent()      {}
func (Joined) isEvent()         {}
func (Left) isEvent()           {}
func (WorkerGone) isEvent()     {}
func (LeaseAsked) isEvent()     {}
func (Renewed) isEvent()        {}
func (Released) isEvent()       {}
func (AttemptStarted) isEvent() {}
func (Reported) isEvent()       {}
func (GateAsked) isEvent()      {}
func (VerifyAsked) isEvent()    {}
func (Cancelled) isEvent()      {}
func (Finished) isEvent()       {}
func (Tick) isEvent()           {}
func (Restarted) isEvent()      {}

// TaskID names a task of the run: step and Metaflow task id.
type TaskID struct {
	Step string `json:"step"`
	Task string `json:"task"`
}

// Transition is what a successful task decided.
type Transition struct {
	Next      []string `json:"next"`
	NumSplits int64    `json:"num_splits,omitempty"`
	GangSize  int64    `json:"gang_size,omitempty"`
}

// Class says whose budget a failure consumes.
type Class string

// The failure classes; see FailureClass in common.proto.
const (
	User           Class = "user"
	Infrastructure Class = "infrastructure"
	Final          Class = "final"
	CancelledClass Class = "cancelled"
)

// Failure is why an attempt did not succeed.
type Failure struct {
	Class    Class  `json:"class"`
	Reason   string `json:"reason"`
	ExitCode *int   `json:"exit_code,omitempty"`
	// OutOfMemory: the kernel ended the child for its memory, or it is
	// probable of a worker that was lost.
	OutOfMemory bool `json:"out_of_memory,omitempty"`
}

// RunState is where a run stands.
type RunState string

// The states of a run.
const (
	RunRunning   RunState = "running"
	RunSucceeded RunState = "succeeded"
	RunFailed    RunState = "failed"
	RunCancelled RunState = "cancelled"
)
