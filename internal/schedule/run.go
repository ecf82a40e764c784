package schedule

// Run is the state of one run. It does no I/O, starts no goroutine and reads
// no clock. Not safe for concurrent use: dispatch owns it.
//
//	run := NewRun(policy)            // empty
//	run.Apply(rec)                   // recovery: as often as there are records
//	run.Step(now, ev)                // decide; the records are already applied
//
// When the append of Step's records fails the Run is ahead of the store: drop
// it and load again.
//
// (Skeleton; the core's author replaces this comment and adds the rest.)
//
//	func NewRun(p Policy) *Run
//	func (r *Run) Step(now Millis, ev Event) (Answer, []Record, error)
//	func (r *Run) Apply(rec Record) error
//	func (r *Run) Deadline() (Millis, bool)  // when a Tick is next needed
//	func (r *Run) Snapshot() Snapshot        // run, pools, tasks, attempts: for GetRun and ListTasks
//	func (r *Run) Check() error              // invariants
//
// Records: each a struct with a kind, marshalled as {"v":1,"kind":"...",...}
//
//	func EncodeRecord(Record) ([]byte, error)
//	func DecodeRecord([]byte) (Record, error)  // unknown kind or version: error
type Run struct{}

// Record is one durable fact.
type Record interface{ Kind() string }
