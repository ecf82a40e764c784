// Package limit bounds the requests that are under way at a time. A request
// that waits for its retry holds no token, since retry is the outer decorator.
package limit

import (
	"context"
	"io"
	"iter"

	"github.com/millrace/millrace/internal/objstore"
)

// Tokens are shared by the stores they limit.
type Tokens chan struct{}

// New makes n tokens.
func New(n int) Tokens { return make(Tokens, n) }

func (t Tokens) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t Tokens) put() { <-t }

// Store limits another store.
type Store struct {
	next   objstore.Store
	tokens Tokens
}

var _ objstore.Store = (*Store)(nil)

// Wrap limits next. A get holds its token while the callback runs: a callback
// must not use a store of the same tokens.
func Wrap(next objstore.Store, tokens Tokens) *Store { return &Store{next: next, tokens: tokens} }

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	if err := s.tokens.take(ctx); err != nil {
		return err
	}
	defer s.tokens.put()
	return s.next.Get(ctx, key, r, fn)
}

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	if err := s.tokens.take(ctx); err != nil {
		return err
	}
	defer s.tokens.put()
	return s.next.Put(ctx, key, src, opts)
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	if err := s.tokens.take(ctx); err != nil {
		return objstore.Info{}, err
	}
	defer s.tokens.put()
	return s.next.Stat(ctx, key)
}

// List implements objstore.Store. The sequence holds no token while it is in
// the caller's hands: what a page costs is one request, and a caller may use
// the store for each item.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return s.next.List(ctx, prefix)
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.tokens.take(ctx); err != nil {
		return err
	}
	defer s.tokens.put()
	return s.next.Delete(ctx, key)
}
