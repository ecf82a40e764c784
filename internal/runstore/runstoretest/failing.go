package runstoretest

import (
	"context"
	"sync"

	"github.com/millrace/millrace/internal/runstore"
)

// Failing wraps a store whose Append and Load can be made to fail.
type Failing struct {
	runstore.Store

	mu             sync.Mutex
	appends, loads error
	// late makes the failing append write first: the caller cannot know.
	late bool
}

// FailAppends makes every Append return err, nil heals. With late the batch
// is written all the same, as when the answer of a database is lost.
func (f *Failing) FailAppends(err error, late bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.appends, f.late = err, late
}

// FailLoads makes every Load return err, nil heals.
func (f *Failing) FailLoads(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loads = err
}

// Append fails as told.
func (f *Failing) Append(ctx context.Context, now int64, batch []runstore.Append) error {
	f.mu.Lock()
	err, late := f.appends, f.late
	f.mu.Unlock()
	if err != nil && !late {
		return err
	}
	if e := f.Store.Append(ctx, now, batch); e != nil {
		return e
	}
	return err
}

// Load fails as told.
func (f *Failing) Load(ctx context.Context, runID string, fn func(uint64, []byte) error) error {
	f.mu.Lock()
	err := f.loads
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Store.Load(ctx, runID, fn)
}
