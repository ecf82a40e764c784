package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

// Errors besides those of the core.
var (
	// ErrUnavailable: the event may or may not have been recorded. Asking
	// again is safe, since every event is idempotent.
	ErrUnavailable = errors.New("the driver cannot record anything now")
	// ErrStopped: the driver is going down; wraps ErrUnavailable.
	ErrStopped = fmt.Errorf("%w: it is stopping", ErrUnavailable)
	// ErrBusy: the queue was full for too long; wraps ErrUnavailable.
	ErrBusy = fmt.Errorf("%w: its queue is full", ErrUnavailable)
)

// unavailable makes trouble of the store an ErrUnavailable, once.
func unavailable(cause error) error {
	if errors.Is(cause, ErrUnavailable) {
		return cause
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}

// Config is what a Dispatcher needs.
type Config struct {
	Store  runstore.Store
	Policy schedule.Policy
	// MaxSplits bounds the width of one foreach; 0 leaves it to the
	// definitions.
	MaxSplits int64
	// LongPoll is how long an asker that has to wait is held; 0 answers at
	// once.
	LongPoll time.Duration
	// Queue bounds the events that wait for the loop, MaxBatch those taken in
	// one round. 0 means 4096 and 1024.
	Queue, MaxBatch int
	Logger          *slog.Logger
	// OnAppend, if not nil, is told of every append; for metrics.
	OnAppend func(took time.Duration, records int, err error)
}

// Dispatcher owns all runs. Make it with New, run its loop with Run.
type Dispatcher struct {
	cfg      Config
	requests chan *request
	done     chan struct{}
	watch    *watchers
	stats    Stats
	failing  atomic.Pointer[error]

	// Owned by the loop.
	clock  *clock
	runs   map[string]*run
	timers timers
}

// Stats are counters for metrics; read them at any time.
type Stats struct {
	Events, Rounds, Records, AppendFailures atomic.Int64
	Parked, Loaded                          atomic.Int64
}

const (
	// queuePatience is how long an event waits for room in the queue.
	queuePatience = 5 * time.Second
	// appendTimeout bounds one append; after it the outcome is unknown, as
	// after any other error.
	appendTimeout = 30 * time.Second
)

// New loads the runs that time alone may change. A run that cannot be loaded
// is logged and tried again later: it must not keep the others down.
func New(ctx context.Context, cfg Config) (*Dispatcher, error) {
	if cfg.Queue == 0 {
		cfg.Queue = 4096
	}
	if cfg.MaxBatch == 0 {
		cfg.MaxBatch = 1024
	}
	stored, err := cfg.Store.Clock(ctx)
	if err != nil {
		return nil, err
	}
	live, err := cfg.Store.List(ctx, runstore.ListOptions{LiveOnly: true})
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{
		cfg: cfg, requests: make(chan *request, cfg.Queue), done: make(chan struct{}), watch: newWatchers(),
		clock: newClock(stored), runs: map[string]*run{},
	}
	for _, info := range live {
		r := d.add(info.RunID)
		r.live = true
		if err := d.load(ctx, r); err != nil {
			d.fail(r, err)
		}
		d.rearm(r)
	}
	return d, nil
}

// Do feeds one event of a run and returns the core's answer once it is
// durable. LeaseAsked and GateAsked are held open while the answer is Wait.
func (d *Dispatcher) Do(ctx context.Context, runID string, ev schedule.Event) (schedule.Answer, error) {
	req := newRequest(ctx, runID)
	req.event = ev
	switch ev.(type) {
	case schedule.LeaseAsked, schedule.GateAsked:
		req.parkable = d.cfg.LongPoll > 0
	}
	return d.submit(req)
}

// Opening is a launcher's first call.
type Opening struct {
	RunID string
	// Definition is the document's exact bytes; nil when only its digest was
	// sent. Checked by the caller: the digest is theirs, and they decode.
	Definition       []byte
	DefinitionSHA256 string
	Parameters       *string
	// Resume comes with the parameters of a run that goes on from another.
	Resume *schedule.Resume
}

// Open makes the run known or compares it with what is known. When the
// definition is neither given nor stored it returns
// runstore.ErrUnknownDefinition.
func (d *Dispatcher) Open(ctx context.Context, o Opening) error {
	if o.Definition != nil {
		if err := d.cfg.Store.PutDefinition(ctx, o.DefinitionSHA256, o.Definition); err != nil {
			return unavailable(err)
		}
	}
	def, err := d.definition(ctx, o.DefinitionSHA256)
	if err != nil {
		return err
	}
	req := newRequest(ctx, o.RunID)
	req.event = schedule.RunOpened{
		RunID: o.RunID, Definition: def, DefinitionSHA256: o.DefinitionSHA256, Parameters: o.Parameters, Resume: o.Resume,
	}
	_, err = d.submit(req)
	return err
}

// PodGone is proof that every process of the pod has ended. A run or pod that
// is not known is no error.
func (d *Dispatcher) PodGone(ctx context.Context, runID, podUID string) error {
	req := newRequest(ctx, runID)
	req.podGone = podUID
	_, err := d.submit(req)
	if errors.Is(err, schedule.ErrUnknown) {
		return nil
	}
	return err
}

// View calls fn with the run as it is on disk, from the loop: fn must be
// quick and keep nothing of the run.
func (d *Dispatcher) View(ctx context.Context, runID string, fn func(*schedule.Run)) error {
	req := newRequest(ctx, runID)
	req.view = fn
	_, err := d.submit(req)
	return err
}

// Runs lists the runs, of one flow or of all.
func (d *Dispatcher) Runs(ctx context.Context, flow string) ([]runstore.RunInfo, error) {
	runs, err := d.cfg.Store.List(ctx, runstore.ListOptions{Flow: flow})
	if err != nil {
		return nil, unavailable(err)
	}
	return runs, nil
}

// Watch returns a channel that has a value after the run's state changed or a
// lease's holder has something to be told, and what ends the watch.
func (d *Dispatcher) Watch(runID string) (<-chan struct{}, func()) { return d.watch.add(runID) }

// Until is how long from now to a moment of the core's, as in schedule.Wait;
// never negative.
func (d *Dispatcher) Until(at schedule.Millis) time.Duration { return d.clock.until(at) }

// Stats returns the counters.
func (d *Dispatcher) Stats() *Stats { return &d.stats }

// Queued is how many events wait for the loop.
func (d *Dispatcher) Queued() int { return len(d.requests) }

// Healthy returns why the last append failed, nil when it did not.
func (d *Dispatcher) Healthy() error {
	if err := d.failing.Load(); err != nil {
		return *err
	}
	return nil
}

// definition reads a stored definition. The driver's own bound on splits is
// put in here, so that it holds for a loaded run as for a new one.
func (d *Dispatcher) definition(ctx context.Context, sha256 string) (*flowdef.Definition, error) {
	raw, err := d.cfg.Store.Definition(ctx, sha256)
	if errors.Is(err, runstore.ErrUnknownDefinition) {
		return nil, err
	}
	if err != nil {
		return nil, unavailable(err)
	}
	def, err := flowdef.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("stored definition %s: %w", sha256, err)
	}
	if most := d.cfg.MaxSplits; most > 0 && (def.MaxSplits == 0 || def.MaxSplits > most) {
		def.MaxSplits = most
	}
	return def, nil
}
