package schedule

import "errors"

// Errors of Step. A refused event changes nothing and yields no record.
var (
	// ErrStale: the token is not that of the task's lease, or the outcome is
	// another's. The launcher writes nothing more.
	ErrStale = errors.New("stale lease")
	// ErrUnknown: no such run, pool, incarnation or task.
	ErrUnknown = errors.New("unknown")
	// ErrConflict: the run was opened with something else; the message names
	// the field.
	ErrConflict = errors.New("differs from what was recorded")
	// ErrInvalid: the event breaks a rule of Metaflow's graph or of this
	// protocol; the message names the field.
	ErrInvalid = errors.New("invalid")
)

// Answer is what the asker is told once the records are durable.
type Answer interface{ isAnswer() }

// Done answers events that need no more than "recorded".
type Done struct{}

// JoinAnswer answers Joined. ExitFailed: this worker recorded the final
// failure and exits 1 at once.
type JoinAnswer struct {
	ExitFailed bool
	Reason     string
}

// Grant answers LeaseAsked with a task.
type Grant struct {
	Token uint64
	Task  TaskID
	// Parameters is true for the `_parameters` task.
	Parameters bool
	// ParametersJSON is set for it.
	ParametersJSON string
	Inputs         Inputs
	SplitIndex     *int64
	IndexPath      []int64
	// AdoptAttempt is a started attempt whose outcome is unknown.
	AdoptAttempt *int
	// Gang is set for a member of a gang.
	Gang *Gang
	// CloneFrom is the run whose task of this id may be taken over; empty for
	// none.
	CloneFrom string
	// OriginRun is the run that this one resumes; empty for none.
	OriginRun string
}

// Gang is a task's place among those that run together.
type Gang struct {
	Size, Rank int
	// MainAddress is the address that rank 0 joined with, Members the task ids
	// by rank.
	MainAddress string
	Members     []string
}

// Wait answers LeaseAsked when the pool may yet have work, GateAsked when it
// is not drained. Until is when asking again could help by time alone (a
// retry delay, an expiry); 0 when only another event can.
type Wait struct{ Until Millis }

// Leave answers LeaseAsked: spares enough, exit 0.
type Leave struct{}

// GiveWay answers LeaseAsked in a gang's pool: the gang could not form for too
// long; the worker exits 1 and KFP starts it again later.
type GiveWay struct{ Reason string }

// Drained answers LeaseAsked and GateAsked: no task of the pool exists or can
// still appear. Lists are the worker lists of every step its steps steer.
type Drained struct{ Lists []WorkerList }

// WorkerList holds the worker indices [0..Workers-1] of a step's pool.
type WorkerList struct {
	Step    string
	Workers int
}

// Ended answers LeaseAsked, GateAsked and VerifyAsked: the run is over.
type Ended struct {
	State      RunState
	Reason     string
	ExitFailed bool
}

// StartAnswer answers AttemptStarted.
type StartAnswer struct {
	Attempt            int
	MaxUserCodeRetries int
}

// ReportAnswer answers Reported with what is on record.
type ReportAnswer struct {
	Succeeded  *Transition
	Failed     *Failure
	Retry      bool
	ExitFailed bool
}

// RenewAnswer answers Renewed: the lease is good for TTL from the moment the
// renewal was sent. Cancel, when not empty, says why the child must end.
type RenewAnswer struct {
	TTL    Millis
	Cancel string
}

// VerifyAnswer answers VerifyAsked.
type VerifyAnswer struct {
	State  RunState
	Reason string
}

func (Done) isAnswer()         {}
func (JoinAnswer) isAnswer()   {}
func (Grant) isAnswer()        {}
func (Wait) isAnswer()         {}
func (Leave) isAnswer()        {}
func (GiveWay) isAnswer()      {}
func (Drained) isAnswer()      {}
func (Ended) isAnswer()        {}
func (StartAnswer) isAnswer()  {}
func (ReportAnswer) isAnswer() {}
func (RenewAnswer) isAnswer()  {}
func (VerifyAnswer) isAnswer() {}

// Inputs are a task's input paths: a list, or for a foreach join ranges.
type Inputs struct {
	List   []TaskID
	Count  int64
	Ranges []LeafRange
}

// LeafRange says that splits First..Last ended in Step; the task id of index
// i is Prefix + "-" + i + Suffix.
type LeafRange struct {
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	Step   string `json:"step"`
	Prefix string `json:"prefix"`
	Suffix string `json:"suffix,omitempty"`
}

// Policy holds the numbers of leases and budgets. The shell fills it from
// flags; Default has the documented values.
type Policy struct {
	TTL           Millis
	RenewEvery    Millis
	OrphanGrace   Millis
	LongestWrite  Millis
	ClientBackoff Millis
	// InfrastructureRetries is how many attempts of a task infrastructure may
	// use up.
	InfrastructureRetries int
	// InfrastructureDelay is the pause before such a retry.
	InfrastructureDelay Millis
	// Spares is how many idle workers of a pool are kept when nothing is
	// runnable.
	Spares int
	// StartTimeout fails a run whose pool has runnable tasks and no worker
	// for this long; 0 is never.
	StartTimeout Millis
	// GangDeadline is how long a worker of a gang's pool waits for its gang to
	// form before it makes room for others; 0 is for ever.
	GangDeadline Millis
}

// Default returns the documented policy.
func Default() Policy {
	return Policy{
		TTL: 30_000, RenewEvery: 10_000, OrphanGrace: 600_000, LongestWrite: 30_000, ClientBackoff: 10_000,
		InfrastructureRetries: 5, InfrastructureDelay: 1_000, Spares: 2, GangDeadline: 600_000,
	}
}
