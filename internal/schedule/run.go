package schedule

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
}

// NewRun returns an empty run.
func NewRun(p Policy) *Run { return &Run{policy: p} }

// Step takes one event. On success it returns the answer for the asker, to be
// sent once the records are durable (there may be none), and has applied
// them. On an error nothing has changed and there is no record. Time that
// runs backwards is taken as standing still.
//
// What answers what:
//
//	RunOpened, Left, WorkerGone, Released, Cancelled, Finished, Tick, Restarted -> Done
//	Joined         -> JoinAnswer
//	LeaseAsked     -> Grant | Wait | Leave | Drained | Ended
//	AttemptStarted -> StartAnswer | Ended (no attempt may be started any more:
//	                  for the launcher the lease is lost, ABORTED; it asks for
//	                  the next and is told whether it exits 1)
//	Reported       -> ReportAnswer
//	Renewed        -> RenewAnswer
//	GateAsked      -> Wait | Drained | Ended
//	VerifyAsked    -> VerifyAnswer
func (r *Run) Step(now Millis, ev Event) (Answer, []Record, error) { return nil, nil, ErrUnknown }

// Apply takes a record that an earlier Run decided. It never decides. An
// error means that the log is damaged or from another run.
func (r *Run) Apply(rec Record) error { return nil }

// Deadline is when a Tick is next needed; false when only events matter.
func (r *Run) Deadline() (Millis, bool) { return 0, false }

// Now is the last moment the run has seen, by event or record: the shell's
// clock continues from it.
func (r *Run) Now() Millis { return r.now }

// ID is the run's id, empty before RunOpened.
func (r *Run) ID() string { return "" }

// Ended tells whether the run is over. It may still be re-opened, and leases
// of an ended run still expire.
func (r *Run) Ended() bool { return false }

// Check returns the first broken invariant; for tests.
func (r *Run) Check() error { return nil }
