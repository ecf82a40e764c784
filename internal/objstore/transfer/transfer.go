// Package transfer moves big objects in parts: several at a time, each with
// its own request, retry and place in the limit, so that a connection's speed
// is no bound and a failure costs one part.
//
//	Get   range 0 ─┐                     ┌─ the caller's reader, in order,
//	      range 1 ─┼─> part buffers ─────┤  from the first byte to the last,
//	      range 2 ─┘   (Config.Memory)   └─ without ever beginning afresh
//
//	Put   source ───> sections ─┬─> part 1 ─┐
//	                            ├─> part 2 ─┼─> complete: visible
//	                            └─> part 3 ─┘
//
//	Stream  as Put, of parts that are held while the next one is made
//
// It is the outermost decorator. What is small passes through it untouched.
package transfer

import (
	"context"
	"iter"

	"golang.org/x/sync/semaphore"

	"github.com/millrace/millrace/internal/objstore"
)

// Config bounds an Engine. Zero values mean the defaults.
type Config struct {
	// Memory bounds the bytes of parts held at a time, over all transfers
	// (default 64 MiB), but for streams, which hold as much as four Wholes.
	Memory int64
	// PartSize is the size of the ranges that are read (default 8 MiB).
	PartSize int64
	// Whole is the largest object that is written by one request (default
	// 16 MiB, which must go through within the longest write request).
	Whole int64
	// AtOnce bounds the parts of one transfer under way (default 8).
	AtOnce int
}

// Engine is what the transfers of a process share.
type Engine struct {
	cfg     Config
	buffers *buffers
	// gets are those in parts under way, streams the memory of the others.
	gets, streams *semaphore.Weighted
}

// New makes an Engine.
func New(cfg Config) *Engine {
	set := func(n *int64, value int64) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&cfg.Memory, 64<<20)
	set(&cfg.PartSize, 8<<20)
	set(&cfg.Whole, 16<<20)
	if cfg.AtOnce <= 0 {
		cfg.AtOnce = 8
	}
	return &Engine{
		cfg: cfg, buffers: newBuffers(cfg.Memory, cfg.PartSize),
		gets: semaphore.NewWeighted(max(1, cfg.Memory/cfg.PartSize/2)), streams: semaphore.NewWeighted(streamed * cfg.Whole),
	}
}

// Store moves another store's big objects in parts.
type Store struct {
	next, parts objstore.Store
	engine      *Engine
}

var _ objstore.Store = (*Store)(nil)

// Wrap decorates next, which tries again by itself. Requests for parts go to
// parts, the same store under a limit of its own: they wait for nothing but
// the store, whereas a get of a small object keeps its place in the limit for
// as long as its callback works, and that may wait for the callback of a big
// one.
func (e *Engine) Wrap(next, parts objstore.Store) *Store {
	return &Store{next: next, parts: parts, engine: e}
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	return s.next.Stat(ctx, key)
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return s.next.List(ctx, prefix)
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error { return s.next.Delete(ctx, key) }
