package schedule

import (
	"fmt"
	"iter"
)

// Snapshot is a run as people see it: small, whatever the run's width. The
// tasks come from Run.Tasks.
type Snapshot struct {
	Run   RunView
	Pools []PoolView
}

// RunView is proto RunSummary.
type RunView struct {
	RunID string
	Flow  string
	State RunState
	// Reason is the first failure; empty while the run is running.
	Reason string
	// Missing is what a running run still lacks, silence first.
	Missing  string
	OpenedAt Millis
	// EndedAt is 0 while the run is running.
	EndedAt Millis
	// Closed: KFP has ended the flow (Finished).
	Closed bool
	// Resumed is the run whose finished tasks this one takes over, nil for none.
	Resumed *Resume
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
	// Cloned: the task was taken over from the run that this one resumes.
	Cloned bool
	// ContinuedAs is the id under which the task went on; this one has failed.
	ContinuedAs string
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
func (r *Run) Snapshot() Snapshot {
	if r.graph == nil {
		return Snapshot{}
	}
	s := Snapshot{Run: RunView{
		RunID: r.id, Flow: r.definition.Flow, State: r.state, Reason: r.reason,
		OpenedAt: r.openedAt, EndedAt: r.endedAt, Closed: r.closed, Resumed: r.resume,
	}}
	if r.state == RunRunning {
		s.Run.Missing = r.missing()
	}
	for _, p := range r.pools {
		v := PoolView{
			Pool:            p.def.name,
			Steps:           names(p.def.nodes),
			Waiting:         p.counts[waiting],
			Running:         p.counts[leased] + p.counts[running],
			Succeeded:       p.counts[succeeded],
			Failed:          p.counts[failed] + p.counts[cancelled],
			WorkersExpected: r.expectedWorkers(p),
			WorkersJoined:   len(p.workers),
			Drained:         r.drained(p),
		}
		v.Tasks = v.Waiting + v.Running + v.Succeeded + v.Failed
		if since, silent := r.silentSince(p); silent && (len(p.workers) == 0 || p.def.gang || r.now-p.seen >= r.policy.TTL) {
			v.WaitingSince = since
		}
		s.Pools = append(s.Pools, v)
	}
	return s
}

// Tasks yields every task in the order of their making. The run must not be
// stepped meanwhile.
func (r *Run) Tasks() iter.Seq[TaskView] {
	return func(yield func(TaskView) bool) {
		for _, g := range r.order {
			for i := range g.width {
				t := ref{g, i}
				if t.state() == absent {
					continue
				}
				for _, v := range r.viewsOf(t) {
					if !yield(v) {
						return
					}
				}
			}
		}
	}
}

// viewsOf is the task as it stands, after the ids it has left behind.
func (r *Run) viewsOf(t ref) []TaskView {
	v := TaskView{Task: t.taskID(), State: t.state().String(), Cloned: t.cloned()}
	pool := t.node().pool.name
	k := t.live()
	if k == nil {
		if t.state() == succeeded {
			d := t.g.done[t.i]
			v.Attempts = []AttemptView{{
				Outcome: attemptSucceeded.String(), Worker: fmt.Sprintf("%s/%d", pool, d.worker), StartedAt: d.started, EndedAt: d.ended,
			}}
		}
		return []TaskView{v}
	}
	var out []TaskView
	first := 0
	for i, upTo := range k.continued {
		out = append(out, TaskView{
			Task: t.idBefore(i), State: failed.String(), Attempts: attemptViews(pool, k.attempts[first:upTo]), ContinuedAs: t.idBefore(i + 1).Task,
		})
		first = upTo
	}
	v.Attempts = attemptViews(pool, k.attempts[first:])
	return append(out, v)
}

func attemptViews(pool string, attempts []attempt) []AttemptView {
	var out []AttemptView
	for i := range attempts {
		a := &attempts[i]
		v := AttemptView{
			Attempt: a.number, Outcome: a.outcome.String(), Adopted: a.adopted,
			Worker: fmt.Sprintf("%s/%d", pool, a.worker), StartedAt: a.started, EndedAt: a.ended,
		}
		if a.failure != nil {
			f := *a.failure
			v.Failure = &f
		}
		out = append(out, v)
	}
	return out
}
