package schedule

import "github.com/millrace/millrace/internal/flowdef"

// RecordVersion is the version of the records' schema that this build writes.
// A record of another version, or of an unknown kind, is refused: guessing at
// what a newer driver decided would be deciding again.
const RecordVersion = 1

// Record is one durable fact. Records are applied in the order they were
// decided; all that Step returned for one event belongs in one append.
type Record interface {
	// Kind names the record in its encoding.
	Kind() string
	// When is the shell's clock at the decision; the shell's clock must never
	// run below the last one (see Run.Now).
	When() Millis
}

// Stamp is in every record.
type Stamp struct {
	At Millis `json:"at"`
}

// When implements Record.
func (s Stamp) When() Millis { return s.At }

// RunOpenedRecord makes the run known.
type RunOpenedRecord struct {
	Stamp
	RunID            string              `json:"run_id"`
	DefinitionSHA256 string              `json:"definition_sha256"`
	Definition       *flowdef.Definition `json:"definition"`
	Parameters       *string             `json:"parameters,omitempty"`
	Resume           *Resume             `json:"resume,omitempty"`
}

// ParametersGiven holds the parameters, when the run was opened without.
type ParametersGiven struct {
	Stamp
	Parameters string  `json:"parameters"`
	Resume     *Resume `json:"resume,omitempty"`
}

// WorkerJoined is an incarnation's coming up.
type WorkerJoined struct {
	Stamp
	Pool        string `json:"pool"`
	Worker      int    `json:"worker"`
	Incarnation string `json:"incarnation"`
	RetryIndex  int    `json:"retry_index"`
	PodUID      string `json:"pod_uid,omitempty"`
	PodName     string `json:"pod_name,omitempty"`
	// Address is given in a gang's pool.
	Address string `json:"address,omitempty"`
}

// IncarnationGone says that the process has ended, and how that is known.
type IncarnationGone struct {
	Stamp
	Incarnation string `json:"incarnation"`
	Proof       string `json:"proof"`
}

// GateJoined is the first question of a gate's pod.
type GateJoined struct {
	Stamp
	Pool        string `json:"pool"`
	Incarnation string `json:"incarnation"`
	RetryIndex  int    `json:"retry_index"`
}

// LeaseGranted gives the right to run a task. Token grows with every lease of
// the run.
type LeaseGranted struct {
	Stamp
	Task        TaskID `json:"task"`
	Token       uint64 `json:"token"`
	Incarnation string `json:"incarnation"`
	Slot        int    `json:"slot"`
	// Round is that of the member's gang, from 1; the leases of a round are
	// granted in one step. 0 for a task of its own.
	Round int `json:"round,omitempty"`
}

// LeaseEnded takes the right back without a verdict. A started attempt is
// thereby lost until a later lessee adopts what it left behind.
type LeaseEnded struct {
	Stamp
	Task   TaskID `json:"task"`
	Token  uint64 `json:"token"`
	Reason string `json:"reason"`
	// NotBefore is when the task may be leased again.
	NotBefore Millis `json:"not_before,omitempty"`
	// OutOfMemory: the lessee's last memory sample says what it died of.
	OutOfMemory bool `json:"out_of_memory,omitempty"`
}

// TaskContinued gives a task whose attempt numbers are used up a new id: As.
type TaskContinued struct {
	Stamp
	Task TaskID `json:"task"`
	As   string `json:"as"`
}

// AttemptBegun consumes an attempt number.
type AttemptBegun struct {
	Stamp
	Task    TaskID `json:"task"`
	Token   uint64 `json:"token"`
	Attempt int    `json:"attempt"`
}

// AttemptSucceeded ends the task.
type AttemptSucceeded struct {
	Stamp
	Task       TaskID     `json:"task"`
	Token      uint64     `json:"token"`
	Attempt    int        `json:"attempt"`
	Transition Transition `json:"transition"`
	Adopted    bool       `json:"adopted,omitempty"`
	// Cloned: the outcome is that of the origin run's task.
	Cloned bool `json:"cloned,omitempty"`
}

// AttemptFailed ends an attempt; Retry says whether the task goes on, from
// NotBefore.
type AttemptFailed struct {
	Stamp
	Task      TaskID  `json:"task"`
	Token     uint64  `json:"token"`
	Attempt   int     `json:"attempt"`
	Failure   Failure `json:"failure"`
	Adopted   bool    `json:"adopted,omitempty"`
	Retry     bool    `json:"retry,omitempty"`
	NotBefore Millis  `json:"not_before,omitempty"`
	// Verdict is why the task does not go on, for people; set when Retry is
	// false.
	Verdict string `json:"verdict,omitempty"`
}

// RoundEnded is the verdict on a gang's round that was broken, once nobody
// holds a lease of it any more. Task is the member that broke it.
type RoundEnded struct {
	Stamp
	Task   TaskID `json:"task"`
	Round  int    `json:"round"`
	Reason string `json:"reason"`
	// Charged is whose budget pays: user, infrastructure, or nobody's.
	Charged Class `json:"charged,omitempty"`
	// Retry says whether the gang goes on, all of it, from NotBefore; if not,
	// Verdict is why, for people.
	Retry     bool   `json:"retry,omitempty"`
	NotBefore Millis `json:"not_before,omitempty"`
	Verdict   string `json:"verdict,omitempty"`
}

// TaskGivenUp fails a task that has no attempt left to start.
type TaskGivenUp struct {
	Stamp
	Task   TaskID `json:"task"`
	Token  uint64 `json:"token"`
	Reason string `json:"reason"`
}

// RunEnded is the run's end, good or bad.
type RunEnded struct {
	Stamp
	State  RunState `json:"state"`
	Reason string   `json:"reason,omitempty"`
}

// ExitChosen names the worker of a pool that exits 1 because of the run's
// end, so that KFP shows the step and makes the pod anew on `:retry`.
type ExitChosen struct {
	Stamp
	Pool   string `json:"pool"`
	Worker int    `json:"worker"`
}

// RunClosed is the exit hook's word: KFP has ended the flow.
type RunClosed struct {
	Stamp
	KFPState string `json:"kfp_state"`
	Message  string `json:"message,omitempty"`
}

// RunReopened is `:retry`: failed tasks go on with their next attempt.
type RunReopened struct {
	Stamp
	Reason string `json:"reason"`
}

// Kind implements Record.
func (RunOpenedRecord) Kind() string { return "run_opened" }

// Kind implements Record.
func (ParametersGiven) Kind() string { return "parameters_given" }

// Kind implements Record.
func (WorkerJoined) Kind() string { return "worker_joined" }

// Kind implements Record.
func (IncarnationGone) Kind() string { return "incarnation_gone" }

// Kind implements Record.
func (GateJoined) Kind() string { return "gate_joined" }

// Kind implements Record.
func (LeaseGranted) Kind() string { return "lease_granted" }

// Kind implements Record.
func (LeaseEnded) Kind() string { return "lease_ended" }

// Kind implements Record.
func (AttemptBegun) Kind() string { return "attempt_begun" }

// Kind implements Record.
func (AttemptSucceeded) Kind() string { return "attempt_succeeded" }

// Kind implements Record.
func (AttemptFailed) Kind() string { return "attempt_failed" }

// Kind implements Record.
func (RoundEnded) Kind() string { return "round_ended" }

// Kind implements Record.
func (TaskGivenUp) Kind() string { return "task_given_up" }

// Kind implements Record.
func (TaskContinued) Kind() string { return "task_continued" }

// Kind implements Record.
func (RunEnded) Kind() string { return "run_ended" }

// Kind implements Record.
func (ExitChosen) Kind() string { return "exit_chosen" }

// Kind implements Record.
func (RunClosed) Kind() string { return "run_closed" }

// Kind implements Record.
func (RunReopened) Kind() string { return "run_reopened" }
