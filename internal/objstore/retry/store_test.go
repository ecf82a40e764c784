package retry_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/retry"
)

// flaky is a store of three objects, and its retried self.
func flaky(t *testing.T, before, after func(op, key string) error) (*objstoretest.Flaky, *retry.Store) {
	t.Helper()
	inner := mem.New()
	for _, key := range []string{"a", "b", "c"} {
		if err := inner.Put(t.Context(), key, objstore.Bytes("content of "+key), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	f := &objstoretest.Flaky{Store: inner, Before: before, After: after}
	return f, retry.New(retry.Config{}).Wrap(f)
}

func TestEveryCallIsTriedAgain(t *testing.T) {
	for op, call := range map[string]func(context.Context, objstore.Store) error{
		"get": func(ctx context.Context, s objstore.Store) error {
			_, _, err := objstore.ReadAll(ctx, s, "a", 100)
			return err
		},
		"put": func(ctx context.Context, s objstore.Store) error {
			return s.Put(ctx, "a", objstore.Bytes("x"), objstore.PutOptions{})
		},
		"stat":   func(ctx context.Context, s objstore.Store) error { _, err := s.Stat(ctx, "a"); return err },
		"delete": func(ctx context.Context, s objstore.Store) error { return s.Delete(ctx, "a") },
		"list": func(ctx context.Context, s objstore.Store) (err error) {
			for _, e := range s.List(ctx, "") {
				err = e
			}
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, s := flaky(t, objstoretest.Times(3, busy), nil)
			if err := call(t.Context(), s); err != nil || len(f.Calls()) != 4 {
				t.Errorf("%s: %v after %v", op, err, f.Calls())
			}
		})
	}
}

// What was written and not acknowledged is there: with IfAbsent the second try
// meets it.
func TestALostAnswer(t *testing.T) {
	for name, r := range map[string]struct {
		ifAbsent bool
		want     error
	}{"overwrite": {false, nil}, "if absent": {true, fs.ErrExist}} {
		synctest.Test(t, func(t *testing.T) {
			_, s := flaky(t, nil, objstoretest.Times(1, busy))
			err := s.Put(t.Context(), "new", objstore.Bytes("mine"), objstore.PutOptions{IfAbsent: r.ifAbsent})
			if !errors.Is(err, r.want) {
				t.Errorf("%s: Put = %v, want %v", name, err, r.want)
			}
			if data, _, err := objstore.ReadAll(t.Context(), s, "new", 10); string(data) != "mine" {
				t.Errorf("%s: %q, %v", name, data, err)
			}
		})
	}
}

// The fence is asked again at each try, since a wait may outlast the lease.
func TestTheFenceIsAskedAtEachTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := flaky(t, nil, objstoretest.Times(2, busy))
		lost, asked := errors.New("the lease is lost"), 0
		err := s.Put(t.Context(), "new", objstore.Bytes("x"), objstore.PutOptions{Fence: func(context.Context) error {
			if asked++; asked == 3 {
				return lost
			}
			return nil
		}})
		if !errors.Is(err, lost) || asked != 3 {
			t.Errorf("Put = %v, asked %d times", err, asked)
		}
	})
}

// A body that breaks off is read from its beginning by a fresh callback, also
// when the reader made its own error of it.
func TestABodyThatBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := flaky(t, nil, objstoretest.Times(2, busy))
		var seen []string
		err := s.Get(t.Context(), "a", objstore.Whole, func(_ objstore.Info, r io.Reader) error {
			data, err := io.ReadAll(r)
			seen = append(seen, string(data))
			if err != nil {
				return errors.New("cannot be decoded")
			}
			return nil
		})
		if err != nil || strings.Join(seen, "|") != "conten|conten|content of a" {
			t.Errorf("%v, read %q", err, seen)
		}
	})
}

func TestAListThatBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := flaky(t, nil, objstoretest.Times(4, busy))
		var keys []string
		for info, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, info.Key)
		}
		if strings.Join(keys, " ") != "a b c" {
			t.Errorf("listed %v", keys)
		}
	})
}
