package scheduletest

import (
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
)

// Sim is a cluster in simulated time: KFP's nodes and pods, launchers in
// them, a network that loses and delays, a driver that dies and whose store
// fails, an object store that keeps what attempts wrote. The core is the real
// one; everything else is a model of what design and contracts say. All
// randomness comes from the seed.
type Sim struct {
	cfg    SimConfig
	decide Decide
	rng    *rand.Rand
	now    schedule.Millis
	todo   events
	seq    int

	run    *schedule.Run
	log    [][]byte
	downTo schedule.Millis

	places []flowdef.Placement
	nodes  []*simNode
	writes map[schedule.TaskID][]*writer
	store  map[attemptKey]bool // DONE is there, and whether _task_ok is True
	seen   observer
	err    error

	finished bool // the exit hook ran; it does so once in a run's life
	retries  int  // `:retry`s so far

	// Counted for people and for tests that want to see something happen.
	Stats Stats
}

// Stats count what a simulation went through.
type Stats struct {
	Events, Records, Restarts, FailedAppends, Lost, Killed, Vanished, Zombies, Adopted, Stale, Retried, UserFailures int
	Continued, OutOfMemory, Cloned, Rounds, GaveWay                                                                  int
}

// SimConfig says what goes wrong, as chances per occasion from 0 to 1.
type SimConfig struct {
	Seed       uint64
	Definition *flowdef.Definition
	// Splits is the width of every foreach. Decide says what a task goes on to;
	// nil draws it from the seed.
	Splits int64
	Decide Decide
	Policy schedule.Policy
	// Resume makes the run go on from one in which half of the tasks, drawn
	// from the seed, had succeeded.
	Resume *schedule.Resume
	// Message: a request or a reply is lost. Kill: a pod dies in a task.
	// Vanish: its pod object is gone instead, Zombie: and the process lives
	// on, cut off. UserFailure: an attempt fails. Final: with no retry.
	// AppendFails: the store refuses a batch. DriverDies: per event. Silent:
	// a pod hangs for minutes. Pending: a pod starts only after an hour.
	// Release: a task is given back while its child may still write. Starved: a
	// pod's memory is all but full, a failure is for want of it.
	Starved, Message, Kill, Vanish, Zombie, UserFailure, Final, AppendFails, DriverDies, Silent, Pending, Release float64
	// Limit is when a run must be over, in simulated time.
	Limit schedule.Millis
	// Quick leaves out what costs O(tasks) per event.
	Quick bool
}

// Harsh is a configuration in which everything goes wrong now and then.
func Harsh(seed uint64, d *flowdef.Definition, splits int64) SimConfig {
	p := schedule.Default()
	p.InfrastructureRetries = 4
	p.StartTimeout = 2 * 3_600_000
	return SimConfig{
		Seed: seed, Definition: d, Splits: splits, Policy: p,
		Message: 0.05, Kill: 0.08, Vanish: 0.3, Zombie: 0.5, UserFailure: 0.1, Final: 0.02, AppendFails: 0.01, DriverDies: 0.004,
		Silent: 0.03, Pending: 0.05, Release: 0.02, Starved: 0.3, Limit: 14 * 24 * 3_600_000,
	}
}

// NewSim returns a simulation that has not begun.
func NewSim(cfg SimConfig) *Sim {
	s := &Sim{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), now: 1_000_000,
		run: schedule.NewRun(cfg.Policy), writes: map[schedule.TaskID][]*writer{}, store: map[attemptKey]bool{},
	}
	s.seen = newObserver()
	if s.decide = cfg.Decide; s.decide == nil {
		s.decide = Drawn(cfg.Seed, cfg.Definition, cfg.Splits)
	}
	s.layOut()
	return s
}

// Run runs the flow to its end, through as many `:retry`s as it takes.
func (s *Sim) Run() error {
	s.startReady()
	for s.err == nil && !s.over() {
		if len(s.todo) == 0 {
			s.fail("nothing is left to happen: %s", s.where())
			break
		}
		e := heap.Pop(&s.todo).(event)
		s.now = max(s.now, e.at)
		if s.now > s.cfg.Limit+1_000_000 {
			s.fail("the run has not ended by itself: %s", s.where())
			break
		}
		e.do()
	}
	if s.err == nil {
		s.finalChecks()
	}
	return s.err
}

// Tasks are those of the run, as they stand.
func (s *Sim) Tasks() iter.Seq[schedule.TaskView] { return s.run.Tasks() }

func (s *Sim) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("seed %d at %s: %w", s.cfg.Seed, clock(s.now), fmt.Errorf(format, args...))
	}
}

func (s *Sim) where() string {
	return fmt.Sprintf("%+v, nodes %s", s.run.Snapshot(), s.describeNodes())
}

func (s *Sim) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// between returns a random span.
func (s *Sim) between(low, high schedule.Millis) schedule.Millis {
	return low + schedule.Millis(s.rng.Int64N(int64(high-low)+1))
}

// event is something that will happen.
type event struct {
	at  schedule.Millis
	seq int
	do  func()
}

type events []event

func (h events) Len() int { return len(h) }
func (h events) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].seq < h[j].seq
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *events) Push(x any) { *h = append(*h, x.(event)) }

// Pop implements heap.Interface.
func (h *events) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

func (s *Sim) after(d schedule.Millis, do func()) {
	s.seq++
	heap.Push(&s.todo, event{s.now + d, s.seq, do})
}

// errDown is what a caller sees when the driver is away or its store fails.
var errDown = errors.New("unavailable")

// feed is the shell: step, append, answer; on a failed append drop and load.
func (s *Sim) feed(ev schedule.Event) (schedule.Answer, error) {
	if s.now < s.downTo {
		return nil, errDown
	}
	if s.chance(s.cfg.DriverDies) {
		s.downTo = s.now + s.between(100, 90_000)
		s.Stats.Restarts++
		s.reload(true)
		s.after(s.downTo-s.now, func() { s.restarted() })
		return nil, errDown
	}
	if at, ok := s.run.Deadline(); ok && at <= s.now {
		s.stepAndAppend(schedule.Tick{})
		if s.err != nil {
			return nil, errDown
		}
	}
	return s.stepAndAppend(ev)
}

func (s *Sim) restarted() {
	if s.now >= s.downTo && s.err == nil && s.run.ID() != "" {
		s.stepAndAppend(schedule.Restarted{})
	}
}

func (s *Sim) stepAndAppend(ev schedule.Event) (schedule.Answer, error) {
	s.Stats.Events++
	answer, records, err := s.run.Step(s.now, ev)
	if !s.cfg.Quick {
		if broken := s.run.Check(); broken != nil {
			s.fail("after %#v: %w", ev, broken)
			return nil, errDown
		}
	}
	if err != nil {
		if len(records) > 0 {
			s.fail("%#v was refused (%w) and left records", ev, err)
		}
		return nil, err
	}
	if len(records) > 0 && s.chance(s.cfg.AppendFails) {
		s.Stats.FailedAppends++
		s.reload(false)
		s.restarted()
		return nil, errDown
	}
	for _, rec := range records {
		s.Stats.Records++
		if !s.cfg.Quick {
			data, err := schedule.EncodeRecord(rec)
			if err != nil {
				s.fail("encode: %w", err)
				return nil, errDown
			}
			s.log = append(s.log, data)
		}
		s.observe(rec)
	}
	s.checkDrained()
	return answer, nil
}

// reload rebuilds the run from its records. After a clean stop it must be
// equal to what it was; after a failed append it was ahead.
func (s *Sim) reload(equal bool) {
	if s.cfg.Quick {
		return
	}
	again, err := Replay(s.cfg.Policy, s.log)
	if err != nil {
		s.fail("recovery: %w", err)
		return
	}
	if equal && again.Fingerprint() != s.run.Fingerprint() {
		s.fail("recovered state differs\n--- before\n%s--- after\n%s", s.run.Dump(), again.Dump())
		return
	}
	if err := again.Check(); err != nil {
		s.fail("after recovery: %w", err)
	}
	s.run = again
	s.armTick()
}

// armTick is the shell's timer.
func (s *Sim) armTick() {
	s.after(1000, func() {
		if at, ok := s.run.Deadline(); ok && at <= s.now && s.now >= s.downTo {
			s.stepAndAppend(schedule.Tick{})
		}
	})
}
