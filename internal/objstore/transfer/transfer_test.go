package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/limit"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/retry"
	"github.com/millrace/millrace/internal/objstore/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is an engine whose parts are a thousand bytes.
func small(memory int64) *transfer.Engine {
	return transfer.New(transfer.Config{Memory: memory, PartSize: 1000, Whole: 1000, AtOnce: 4})
}

func both(e *transfer.Engine, s objstore.Store) objstore.Store { return e.Wrap(s, s) }

func TestLaws(t *testing.T) {
	for name, memory := range map[string]int64{"room for all": 1 << 20, "room for one part": 1000} {
		t.Run(name, func(t *testing.T) {
			engine := small(memory)
			objstoretest.Exercise(t, objstoretest.Harness{Big: 12_345, Fresh: func(*testing.T) objstore.Store {
				return both(engine, mem.New())
			}})
		})
	}
}

func content(size int) []byte {
	var b bytes.Buffer
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "%d ", n)
	}
	return b.Bytes()[:size]
}

// read is what a caller gets who may be called only once.
func read(ctx context.Context, s objstore.Store, key string, r objstore.Range) (data []byte, err error) {
	calls := 0
	err = s.Get(ctx, key, r, func(_ objstore.Info, body io.Reader) error {
		if calls++; calls > 1 {
			return errors.New("called again")
		}
		var err error
		data, err = io.ReadAll(body)
		return err
	})
	return data, err
}

// Of a big object only the part that failed is fetched again, and its reader
// learns nothing of it.
func TestOnlyWhatFailedComesAgain(t *testing.T) {
	want := content(10_500)
	for name, flaky := range map[string]*objstoretest.Flaky{
		"no answer":         {Before: objstoretest.Times(3, objstoretest.Transient("down"))},
		"broken in between": {After: objstoretest.Times(3, objstoretest.Transient("broken"))},
	} {
		t.Run(name, func(t *testing.T) {
			flaky.Store = holding(t, want)
			again := retry.New(retry.Config{First: time.Millisecond})
			got, err := read(t.Context(), both(small(1<<20), again.Wrap(flaky)), "k", objstore.Whole)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if calls := len(flaky.Calls()); calls != 11+3 {
				t.Errorf("%d requests for 11 parts of which 3 failed", calls)
			}
		})
	}
}

func holding(t *testing.T, data []byte) *mem.Store {
	t.Helper()
	s := mem.New()
	if err := s.Put(t.Context(), "k", objstore.Bytes(data), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// A part that cannot be had is why the whole cannot, whatever the reader makes
// of it.
func TestFailedPartIsTheCause(t *testing.T) {
	broken := errors.New("the disk of the server is broken")
	flaky := &objstoretest.Flaky{Store: holding(t, content(10_500))}
	var mu sync.Mutex
	gets := 0
	flaky.Before = func(string, string) error {
		mu.Lock()
		defer mu.Unlock()
		if gets++; gets == 5 {
			return broken
		}
		return nil
	}
	err := both(small(1<<20), flaky).Get(t.Context(), "k", objstore.Whole, func(_ objstore.Info, body io.Reader) error {
		if _, err := io.Copy(io.Discard, body); err == nil {
			t.Error("a part is missing, and the body ends as if it were not")
		}
		return errors.New("not a sound tgz")
	})
	if !errors.Is(err, broken) || strings.Contains(err.Error(), "sound") {
		t.Errorf("Get = %v, want why the part did not come", err)
	}
}

// An object that is replaced in between is not handed out in pieces of both:
// it begins afresh, and is read by one request when that goes on.
func TestOverwrittenMeanwhile(t *testing.T) {
	for _, times := range []int{1, 10} {
		s := holding(t, content(10_500))
		calls := 0
		var got []byte
		err := both(small(1000), s).Get(t.Context(), "k", objstore.Whole, func(_ objstore.Info, body io.Reader) error {
			calls++
			head := make([]byte, 1500)
			if _, err := io.ReadFull(body, head); err != nil {
				return err
			}
			if calls <= times {
				if err := s.Put(t.Context(), "k", objstore.Bytes(content(9000+calls)), objstore.PutOptions{}); err != nil {
					return err
				}
			}
			rest, err := io.ReadAll(body)
			got = append(head, rest...)
			return err
		})
		want := map[int][]byte{1: content(9001), 10: content(9003)}[times]
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("overwritten %d times: %d bytes, %v; want %d", times, len(got), err, len(want))
		}
	}
}

// Many transfers in little memory, few places of the limit, with requests that
// fail and callbacks that hold what others wait for get on, never waiting for each other in a circle.
func TestManyInLittleMemory(t *testing.T) {
	want := content(7_700)
	kept := holding(t, want)
	if err := kept.Put(t.Context(), "little", objstore.Bytes("x"), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	flaky := &objstoretest.Flaky{Store: kept, After: objstoretest.Times(40, objstoretest.Transient("broken"))}
	again := retry.New(retry.Config{First: time.Millisecond})
	store := small(3000).Wrap(again.Wrap(limit.Wrap(flaky, limit.New(2))), again.Wrap(limit.Wrap(flaky, limit.New(2))))
	rooms := make(chan struct{}, 2)
	var group errgroup.Group
	for n := range 50 {
		group.Go(func() error {
			key, rest := "k", want[n*10:]
			if n%5 == 4 {
				key, rest = "little", nil
			}
			var got []byte
			err := store.Get(t.Context(), key, objstore.Range{Offset: int64(n * 10), Length: -1}, func(_ objstore.Info, body io.Reader) error {
				for {
					rooms <- struct{}{}
					piece, err := io.ReadAll(io.LimitReader(body, 700))
					<-rooms
					got = append(got, piece...)
					if len(piece) == 0 || err != nil {
						return err
					}
				}
			})
			if err == nil && !bytes.Equal(got, rest) {
				err = fmt.Errorf("%s from %d: %d bytes that differ", key, n*10, len(got))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// A long range is cut into parts like a whole object.
func TestRanges(t *testing.T) {
	want := content(5_000)
	store := both(small(1<<20), holding(t, want))
	for _, r := range []objstore.Range{{Offset: 10, Length: 1001}, {Offset: 0, Length: 5000}, {Offset: 3999, Length: 2000}, {Offset: 1, Length: 4000}} {
		whole := want[r.Offset:min(r.Offset+r.Length, 5000)]
		got, err := read(t.Context(), store, "k", r)
		if err != nil || !bytes.Equal(got, whole) {
			t.Errorf("%v: %d bytes, %v", r, len(got), err)
		}
		var copied bytes.Buffer
		err = store.Get(t.Context(), "k", r, func(_ objstore.Info, body io.Reader) error {
			_, err := io.Copy(&copied, body)
			return err
		})
		if err != nil || !bytes.Equal(copied.Bytes(), whole) {
			t.Errorf("%v copied: %d bytes, %v", r, copied.Len(), err)
		}
	}
}
