// Package mem is a store in memory, for tests.
package mem

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

// Store keeps objects in a map.
type Store struct {
	mu      sync.Mutex
	objects map[string]object
}

type object struct {
	data []byte
	info objstore.Info
}

var _ objstore.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store { return &Store{objects: map[string]object{}} }

func missing(op, key string) error { return fmt.Errorf("mem: %s %s: %w", op, key, fs.ErrNotExist) }

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	s.mu.Lock()
	o, ok := s.objects[key]
	s.mu.Unlock()
	if !ok {
		return missing("get", key)
	}
	data := o.data[min(max(r.Offset, 0), int64(len(o.data))):]
	if r.Length >= 0 {
		data = data[:min(r.Length, int64(len(data)))]
	}
	return fn(o.info, objstore.Ending(ctx, bytes.NewReader(data)))
}

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	r, err := src.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	content := bytes.NewBuffer(make([]byte, 0, src.Size()+bytes.MinRead))
	if _, err := content.ReadFrom(objstore.Ending(ctx, r)); err != nil {
		return err
	}
	data := content.Bytes()
	if int64(len(data)) != src.Size() {
		return fmt.Errorf("mem: put %s: source has %d bytes, announced %d", key, len(data), src.Size())
	}
	if err := opts.MayWrite(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.objects[key]; ok && opts.IfAbsent {
		return fmt.Errorf("mem: put %s: %w", key, fs.ErrExist)
	}
	s.objects[key] = object{data: data, info: objstore.Info{
		Key: key, Size: int64(len(data)), Modified: time.Now(), Metadata: maps.Clone(opts.Metadata),
	}}
	return nil
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	if err := check(ctx, key); err != nil {
		return objstore.Info{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[key]
	if !ok {
		return objstore.Info{}, missing("stat", key)
	}
	return o.info, nil
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		s.mu.Lock()
		var found []objstore.Info
		for key, o := range s.objects {
			if strings.HasPrefix(key, prefix) {
				found = append(found, o.info)
			}
		}
		s.mu.Unlock()
		slices.SortFunc(found, func(a, b objstore.Info) int { return strings.Compare(a.Key, b.Key) })
		for _, info := range found {
			if err := ctx.Err(); err != nil {
				yield(objstore.Info{}, context.Cause(ctx))
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func check(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return objstore.CheckKey(key)
}
