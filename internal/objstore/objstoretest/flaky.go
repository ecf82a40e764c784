package objstoretest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"

	"github.com/millrace/millrace/internal/objstore"
)

// Flaky is a store whose calls fail on demand.
type Flaky struct {
	objstore.Store
	// Before is asked before a call is passed on; its error is the answer.
	Before func(op, key string) error
	// After is asked when a call was carried out; its error takes the place
	// of the answer, which is lost.
	After func(op, key string) error

	mu    sync.Mutex
	calls []string
}

// Transient is a failure worth another try.
func Transient(text string) error { return fmt.Errorf("%s: %w", text, objstore.ErrTransient) }

// Times fails the first n calls.
func Times(n int, err error) func(op, key string) error {
	var mu sync.Mutex
	return func(string, string) error {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 {
			return nil
		}
		n--
		return err
	}
}

// Calls returns what was asked so far, as "op key".
func (f *Flaky) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// begin records the call and says whether it is carried out.
func (f *Flaky) begin(op, key string) error {
	f.mu.Lock()
	f.calls = append(f.calls, op+" "+key)
	f.mu.Unlock()
	if f.Before == nil {
		return nil
	}
	return f.Before(op, key)
}

func (f *Flaky) after(op, key string) error {
	if f.After == nil {
		return nil
	}
	return f.After(op, key)
}

func (f *Flaky) call(op, key string, do func() error) error {
	if err := f.begin(op, key); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return f.after(op, key)
}

// Get implements objstore.Store. After stands for a body that breaks off in
// the middle.
func (f *Flaky) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	if err := f.begin("get", key); err != nil {
		return err
	}
	return f.Store.Get(ctx, key, r, func(info objstore.Info, body io.Reader) error {
		if err := f.after("get", key); err != nil {
			size := info.Size
			if r.Length >= 0 {
				size = min(size, r.Length)
			}
			body = io.MultiReader(io.LimitReader(body, size/2), failing{err})
		}
		return fn(info, body)
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Put implements objstore.Store.
func (f *Flaky) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	return f.call("put", key, func() error { return f.Store.Put(ctx, key, src, opts) })
}

// Stat implements objstore.Store.
func (f *Flaky) Stat(ctx context.Context, key string) (info objstore.Info, err error) {
	err = f.call("stat", key, func() error {
		info, err = f.Store.Stat(ctx, key)
		return err
	})
	return info, err
}

// List implements objstore.Store. After is asked after every object.
func (f *Flaky) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		if err := f.begin("list", prefix); err != nil {
			yield(objstore.Info{}, err)
			return
		}
		for info, err := range f.Store.List(ctx, prefix) {
			if !yield(info, err) || err != nil {
				return
			}
			if err := f.after("list", info.Key); err != nil {
				yield(objstore.Info{}, err)
				return
			}
		}
	}
}

// Delete implements objstore.Store.
func (f *Flaky) Delete(ctx context.Context, key string) error {
	return f.call("delete", key, func() error { return f.Store.Delete(ctx, key) })
}
