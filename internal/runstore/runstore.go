// Package runstore is the port to the driver's durable memory: per run one
// log of records, each numbered, and the flow definitions the runs were
// opened with, each stored once under its digest.
//
//	dispatch ── Append(batch) ──> log   (all of the batch or nothing; durable on return)
//	dispatch <── Load(run) ────── log   (in order, from the first record)
//
// Records are opaque bytes here: what they mean is the core's. RunInfo is the
// one thing the store knows of a run, so that runs can be listed, and those
// that have not ended found at a start, without reading every log.
//
// Adapters: sqlite (the default). Several drivers may share one store only
// when a lease makes one of them the writer; the sequence fence on Append
// catches the one that has lost it unawares.
package runstore

import (
	"context"
	"errors"
)

// Errors of a Store. Everything else is trouble of the store itself, after
// which the caller cannot know whether the batch was appended: it loads again.
var (
	// ErrUnknownRun: the store has no such run.
	ErrUnknownRun = errors.New("run not in the store")
	// ErrUnknownDefinition: no definition of that digest.
	ErrUnknownDefinition = errors.New("definition not in the store")
	// ErrFenced: the run's log is not where the writer believed; nothing of
	// the batch was appended.
	ErrFenced = errors.New("the run's log was written by another")
	// ErrNewerStore: the store was made by a newer build.
	ErrNewerStore = errors.New("the store was written by a newer driver")
)

// Append is the part of a batch that belongs to one run.
type Append struct {
	RunID string
	// After is the number of the last record the writer knows, 0 for a new
	// run. The records get the numbers After+1, After+2, ...
	After   uint64
	Records [][]byte
	// Info replaces what is listed of the run. Required with the first
	// records; nil leaves it as it is.
	Info *RunInfo
}

// RunInfo is what is listed of a run. Times are the driver's clock in
// milliseconds.
type RunInfo struct {
	RunID string
	Flow  string
	State string
	// Reason is why the run ended as it did.
	Reason string
	// DefinitionSHA256 names the definition the run was opened with.
	DefinitionSHA256 string
	OpenedAt         int64
	// EndedAt is 0 while the run is open.
	EndedAt int64
	// Live is true while time alone may change the run: such runs are loaded
	// at a start.
	Live bool
}

// ListOptions narrows List.
type ListOptions struct {
	// Flow lists only the runs of that flow.
	Flow string
	// LiveOnly lists only the runs that must be in memory.
	LiveOnly bool
}

// Store is the driver's durable memory. Implementations are safe for
// concurrent use and obey the laws of runstoretest.
type Store interface {
	// Append writes the batch: after a nil error all of it is durable, after
	// ErrFenced none of it is written, after any other error all or none of
	// it may be. A run may occur once in a batch. now is the writer's clock,
	// kept for Clock.
	Append(ctx context.Context, now int64, batch []Append) error
	// Load calls fn for each record in order; ErrUnknownRun when the run has
	// none. An error of fn ends the load and is returned. The bytes are the
	// callee's to keep.
	Load(ctx context.Context, runID string, fn func(sequence uint64, record []byte) error) error
	// Info returns what is listed of one run, or ErrUnknownRun.
	Info(ctx context.Context, runID string) (RunInfo, error)
	// List returns the runs, the newest first.
	List(ctx context.Context, o ListOptions) ([]RunInfo, error)
	// PutDefinition keeps the bytes under their digest (SHA-256 in hex, which
	// the caller has checked). Storing it again changes nothing. Durable on
	// return.
	PutDefinition(ctx context.Context, sha256 string, definition []byte) error
	// Definition returns the bytes, or ErrUnknownDefinition.
	Definition(ctx context.Context, sha256 string) ([]byte, error)
	// Clock returns the largest now of any Append; 0 for a new store.
	Clock(ctx context.Context) (int64, error)
	// Close ends the store's use; what was appended stays durable.
	Close() error
}
