// Package schedule is the pure core of the driver: which task may run where,
// and what follows from how it ended. It does no I/O, starts no goroutine and
// reads no clock: Run.Step takes one event with its time and returns an answer
// and the records that make the decision durable; Run.Apply rebuilds the same
// state from the records and decides nothing.
//
// # A task's life
//
//	           all inputs there
//	(absent) ───────────────────> waiting <───────────────────────────────┐
//	                                 │ LeaseAsked: a token                │
//	                                 v                                    │
//	                              leased ──── lost or given back ────────>│ costs nothing
//	                                 │ AttemptStarted: a number           │
//	                                 v                                    │
//	                              running ─── lost or given back ────────>│ attempt "lost",
//	                               │    │                                 │ infrastructure's budget
//	                Reported: good │    │ Reported: failed                │
//	                               v    ├── budget left, after a delay ──>│
//	                        succeeded   v                                 │
//	                                 failed, cancelled ─── :retry ───────>┘
//
// Reported{Adopted} goes from leased straight to an outcome of the attempt
// that was lost before: the lessee found its DONE in the store.
//
// # Tokens, and who may write when
//
// A lease is the right to run one task; its token is larger than that of any
// lease before it, and every call carries it. A task has one lease at most. A
// launcher trusts its lease for TTL from the moment it sent the last renewal
// that was answered, and begins no write after; a write begun then may take
// LongestWrite more. So the task is leased again only TTL + LongestWrite after
// the last renewal seen here, or at once on proof that nobody is left to
// write:
//
//	the same worker joins with a higher retry index   Argo saw the pod before end
//	WorkerGone                                        somebody reaped the process
//	Left, Released{ChildGone}                         the launcher says so itself
//
// The same index with a new pod uid is a vanished pod made anew, and no proof.
// Renewals are not recorded: after a restart every live lease counts as
// renewed just then.
//
// # Attempts
//
// A lease is not an attempt: the number is consumed by AttemptStarted. Failures
// are charged to a budget by class: User to @retry and @catch, Infrastructure
// (and losses) to the policy's; Final to none, it ends the task. The first end
// of a task for want of memory counts as infrastructure's: another's appetite
// may be to blame. Of a worker that is lost its last memory sample tells.
//
// Metaflow knows numbers 0 to 5; retry.go has the arithmetic. A task that
// infrastructure, or earlier tries of the run, left without a number goes on
// under a new id, from attempt 0 and with the budget that is left (continue.go).
//
// # Places
//
// A task is a step at a place, and its id says so (taskid.go). A switch's task
// goes to one of its next steps, and no place has a step's task twice, so a step
// where branches meet has exactly one input. A loop's iterations are tasks of
// one place: a group that grows (switch.go); what follows takes the last. A run
// that resumes another finds what it takes over by step and id (resume.go).
//
// # Pools
//
// A pool's worker is told to take a task, to wait, to leave (spares enough), or
// that the pool is drained: no task of it exists unfinished or can still
// appear, and the worker lists it is told with it are final. A list is for a
// step whose width the pool decides, but not always alone: a step may be reached
// from several switches. Then the last of them gives the list, and is not
// drained before the others are closed (steer.go). What depends on a pool hangs
// on its gate, which is told the same, or on the pool where it has none. Once
// drained a pool stays drained: a re-opening touches only what had not
// succeeded.
//
// # Gangs
//
// The members of a gang (num_parallel) run at once or not at all. A worker of
// their pool is told to wait until a gang's size of others wait beside it; then
// one event leases all members, ranks by worker, and each is told when it asks
// again. That is a round. All members of a round begin the same attempt, so a
// member's numbers may have gaps. What one of them did reaches the join when
// all have succeeded; the first that fails or is lost breaks the round, the
// others are told with their renewals to end, and once the last lease is over
// one verdict (RoundEnded) says whose budget pays and whether the whole gang
// runs again. No member is adopted, or run again, alone.
//
// A pool holds whole gangs: of the largest size, as many as there are and as
// fit below max-workers. Gangs form in the order of their making. Two runs that
// each hold half of a cluster would wait for each other for ever, so a worker
// whose gang cannot form makes room after a while (GiveWay), each at a moment
// of its own and not so often that KFP's retries are used up. In a failed run
// every worker of a pool with an unfinished gang exits 1, since :retry makes
// anew only those and the gang needs all.
//
// # A failed run
//
// The first final failure is the run's reason. Nothing more is leased, renewals
// tell running tasks to end, gates exit 1, and one worker of each pool with
// work left exits 1, again on every restart: in the failing pool the one that
// recorded the failure. KFP's :retry makes anew exactly those, and a lower
// retry index (or any join after the exit hook closed the run) re-opens it.
//
// # Files
//
// event.go, answer.go and record.go are the interface; step.go and apply.go
// dispatch; graph.go reads the flow, steer.go who decides whose width; task.go
// holds the state, compact for what is common (a split that succeeds at once is
// one byte and 32 more), sparse for what is not; foreach.go, switch.go and
// join.go move on from task to task; lease.go and loss.go give and take leases,
// begin.go and attempt.go are an attempt from its number to its outcome;
// gang.go, gang_form.go and gang_round.go are the gangs;
// invariants.go says what always holds.
package schedule
