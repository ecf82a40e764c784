package schedule

import "github.com/millrace/millrace/internal/flowdef"

// Run is the state of one run. It does no I/O, starts no goroutine and reads
// no clock. Not safe for concurrent use: dispatch owns it.
//
//	run := NewRun(policy)            // empty; the first event is RunOpened
//	run.Apply(rec)                   // recovery: as often as there are records
//	run.Step(now, Restarted{})       // once after recovery
//	run.Step(now, ev)                // decide; the records are already applied
//
// When the append of Step's records fails the Run is ahead of the store: drop
// it and load again.
type Run struct {
	policy Policy
	now    Millis

	id         string
	sha256     string
	definition *flowdef.Definition
	parameters *string
	resume     *Resume
	graph      *graph
	openedAt   Millis
	endedAt    Millis
	state      RunState
	reason     string
	closed     bool

	steps  []stepState
	pools  []*poolState
	groups map[groupKey]*group
	order  []*group // in the order of their making
	// fans are the widths of the foreach tasks that have succeeded.
	fans map[groupKey]int64

	incarnations map[string]*incarnation
	token        uint64         // of the newest lease
	leases       map[uint64]ref // live ones
	stopped      []ref          // failed or cancelled tasks, for a re-opening
	settling     []*gang        // those whose broken round has no lease left

	// From here on nothing is durable: it follows from the records, or it may
	// be forgotten.
	delays  alarms
	expires alarms
	// quietUntil: after a restart nothing expires until the clients had time
	// to renew.
	quietUntil Millis
	out        []Record
	notices    uint64
}

// NewRun returns an empty run.
func NewRun(p Policy) *Run {
	return &Run{
		policy:       p,
		groups:       map[groupKey]*group{},
		fans:         map[groupKey]int64{},
		incarnations: map[string]*incarnation{},
		leases:       map[uint64]ref{},
	}
}

// Now is the last moment the run has seen, by event or record: the shell's
// clock continues from it.
func (r *Run) Now() Millis { return r.now }

// SetNow moves the clock without an event, so that a Snapshot says how long
// something has lasted. Nothing is decided.
func (r *Run) SetNow(now Millis) { r.now = max(r.now, now) }

// ID is the run's id, empty before RunOpened.
func (r *Run) ID() string { return r.id }

// Definition is the flow that the run was opened with, nil before RunOpened.
// It must not be changed.
func (r *Run) Definition() *flowdef.Definition { return r.definition }

// Ended tells whether the run is over. It may still be re-opened, and leases
// of an ended run still expire.
func (r *Run) Ended() bool { return r.graph != nil && r.state != RunRunning }

// over tells whether the run ended otherwise than well.
func (r *Run) over() bool { return r.state == RunFailed || r.state == RunCancelled }
