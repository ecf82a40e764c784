package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

const (
	never   = schedule.Millis(math.MaxInt64)
	noPlace = -1

	// idleFor is how long an ended run that nobody asks about stays in memory.
	idleFor = 10 * 60 * 1000
	// A run that could not be loaded or appended to is left alone this long,
	// doubling with every failure.
	firstBackoff, lastBackoff = schedule.Millis(100), schedule.Millis(5000)
)

// run is one run as the loop holds it.
type run struct {
	id string
	// core is nil while the run is not in memory; it is then exactly what the
	// store says.
	core *schedule.Run
	// sequence is the number of the last durable record, version counts the
	// records seen in memory.
	sequence, version uint64
	info              runstore.RunInfo
	// notices is the core's when the watchers were told last.
	notices uint64
	// live: time alone may change the run, so it is loaded again after a drop.
	live bool
	// pods maps a pod's uid to its incarnations.
	pods map[string][]string
	// parked are the askers that wait, the longest waiting first.
	parked []*request
	// grace: Restarted is due before the next event.
	grace bool

	failures int
	retryAt  schedule.Millis
	cause    error
	used     schedule.Millis

	wake  schedule.Millis
	place int

	// Of the present round.
	touched bool
	pending [][]byte
	broken  error
}

func (d *Dispatcher) add(runID string) *run {
	r := &run{id: runID, wake: never, place: noPlace}
	d.runs[runID] = r
	return r
}

// forget takes the run out of memory for good; it can be loaded again.
func (d *Dispatcher) forget(r *run) {
	r.wake = never
	d.timers.set(r)
	delete(d.runs, r.id)
	d.unload(r)
}

func (d *Dispatcher) unload(r *run) {
	if r.core != nil {
		d.stats.Loaded.Add(-1)
	}
	r.core, r.sequence, r.pods, r.pending = nil, 0, nil, nil
}

// fail drops a run whose memory may be ahead of the store, or that could not
// be loaded, and leaves it alone for a while.
func (d *Dispatcher) fail(r *run, cause error) {
	d.unload(r)
	r.cause = cause
	r.retryAt = d.clock.now() + min(firstBackoff<<min(r.failures, 10), lastBackoff)
	r.failures++
	d.cfg.Logger.Error("run dropped from memory; it is loaded again from the store",
		"run", r.id, "error", cause, "failures", r.failures)
}

// load brings the run into memory from its records. It never decides
// anything: Restarted, which may, is left for the next round.
func (d *Dispatcher) load(ctx context.Context, r *run) error {
	began := time.Now()
	core := schedule.NewRun(d.cfg.Policy)
	pods := map[string][]string{}
	sequence := uint64(0)
	err := d.cfg.Store.Load(ctx, r.id, func(n uint64, data []byte) error {
		rec, err := d.decode(ctx, data)
		if err == nil {
			err = core.Apply(rec)
		}
		if err != nil {
			return fmt.Errorf("record %d of run %s: %w", n, r.id, err)
		}
		notePod(pods, rec)
		sequence = n
		return nil
	})
	if err != nil {
		return err
	}
	info, err := d.cfg.Store.Info(ctx, r.id)
	if err != nil {
		return err
	}
	r.core, r.sequence, r.pods, r.info = core, sequence, pods, info
	r.live, r.grace, r.used = info.Live, true, d.clock.now()
	r.version++
	d.stats.Loaded.Add(1)
	d.cfg.Logger.Info("run loaded", "run", r.id, "records", sequence, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// get returns the run in memory. With create a run that the store does not
// know is made.
func (d *Dispatcher) get(ctx context.Context, runID string, create bool) (*run, error) {
	r := d.runs[runID]
	if r == nil {
		r = d.add(runID)
	}
	if r.core != nil {
		return r, nil
	}
	if d.clock.now() < r.retryAt {
		return r, unavailable(r.cause)
	}
	err := d.load(ctx, r)
	switch {
	case err == nil:
		return r, nil
	case errors.Is(err, runstore.ErrUnknownRun) && create:
		r.core, r.used = schedule.NewRun(d.cfg.Policy), d.clock.now()
		r.pods = map[string][]string{}
		r.info = runstore.RunInfo{}
		d.stats.Loaded.Add(1)
		return r, nil
	case errors.Is(err, runstore.ErrUnknownRun):
		d.forget(r)
		return nil, fmt.Errorf("%w: run %q", schedule.ErrUnknown, runID)
	default:
		d.fail(r, err)
		d.rearm(r)
		return r, unavailable(err)
	}
}

// encode leaves the definition out of the record: it is stored once, under
// the digest that the record names.
func encode(rec schedule.Record) ([]byte, error) {
	if opened, ok := rec.(schedule.RunOpenedRecord); ok {
		opened.Definition = nil
		rec = opened
	}
	return schedule.EncodeRecord(rec)
}

func (d *Dispatcher) decode(ctx context.Context, data []byte) (schedule.Record, error) {
	rec, err := schedule.DecodeRecord(data)
	if err != nil {
		return nil, err
	}
	if opened, ok := rec.(schedule.RunOpenedRecord); ok && opened.Definition == nil {
		opened.Definition, err = d.definition(ctx, opened.DefinitionSHA256)
		return opened, err
	}
	return rec, nil
}

func notePod(pods map[string][]string, rec schedule.Record) {
	if joined, ok := rec.(schedule.WorkerJoined); ok && joined.PodUID != "" {
		pods[joined.PodUID] = append(pods[joined.PodUID], joined.Incarnation)
	}
}
