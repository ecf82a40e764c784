package open_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/open"
)

// noise is content of which no part is like another.
func noise(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

func fetch(ctx context.Context, s objstore.Store, key string) (data []byte, err error) {
	err = s.Get(ctx, key, objstore.Whole, func(_ objstore.Info, body io.Reader) error {
		var err error
		data, err = io.ReadAll(body)
		return err
	})
	return data, err
}

// stream puts data as if it were made meanwhile.
func stream(ctx context.Context, s objstore.Store, key string, data []byte, opts objstore.PutOptions) error {
	return objstore.Stream(ctx, s, key, 2*int64(len(data)), opts, func(_ context.Context, w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Whatever the line does, what arrives is what was sent, or the error says
// what the line did; and what was waited for is in the log.
func TestFaults(t *testing.T) {
	server := objstoretest.VersityGW(t)
	sizes := map[string][]byte{"small": noise(10_000), "big": noise(2*leastPart + 1234)}
	for _, row := range []struct {
		name, toxic string
		// put and get are how many waits are logged before the fault is over;
		// 0: none is needed.
		put, get int
	}{
		{"latency", `{"type": "latency", "attributes": {"latency": 50, "jitter": 30}}`, 0, 0},
		{"latency upwards", `{"type": "latency", "stream": "upstream", "attributes": {"latency": 50, "jitter": 30}}`, 0, 0},
		{"slow close", `{"type": "slow_close", "attributes": {"delay": 100}}`, 0, 0},
		{"little bandwidth", `{"type": "bandwidth", "attributes": {"rate": 20000}}`, 0, 0},
		{"little bandwidth upwards", `{"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 20000}}`, 0, 0},
		{"resets", `{"type": "reset_peer", "attributes": {"timeout": 0}}`, 3, 3},
		{"resets upwards", `{"type": "reset_peer", "stream": "upstream", "attributes": {"timeout": 0}}`, 3, 3},
		{"truncation", `{"type": "limit_data", "attributes": {"bytes": 100}}`, 3, 3},
		{"truncation upwards", `{"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 9000}}`, 3, 0},
		{"stuck", `{"type": "timeout", "attributes": {"timeout": 0}}`, 2, 2},
		{"stuck upwards", `{"type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}}`, 2, 2},
		{"gone after a while", `{"type": "timeout", "attributes": {"timeout": 20}}`, 2, 2},
	} {
		for size, want := range sizes {
			t.Run(row.name+", "+size, func(t *testing.T) {
				t.Parallel()
				stall := time.Minute // where nothing may be given up, however busy this machine is
				if row.put+row.get > 0 {
					stall = 500 * time.Millisecond
				}
				w := newWire(t, server, open.Options{Stall: stall})
				w.suffer(row.toxic, row.put)
				if err := w.store.Put(t.Context(), "k", objstore.Bytes(want), objstore.PutOptions{}); err != nil {
					t.Fatalf("put: %v", err)
				}
				put := len(w.waited())
				if row.get > 0 {
					w.waits = nil
					w.suffer(row.toxic, row.get)
				}
				got, err := fetch(t.Context(), w.store, "k")
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("get: %d bytes of %d, equal %v, %v", len(got), len(want), bytes.Equal(got, want), err)
				}
				if get := len(w.waited()); put < row.put || row.get > 0 && get < row.get || row.put == 0 && put+get > 0 {
					t.Errorf("%d waits logged for the put, %d for the get, want %d and %d: %s", put, get, row.put, row.get, w.waited())
				}
			})
		}
	}
}

// What never ends is an error within the budget that names the cause.
func TestFaultsForGood(t *testing.T) {
	server := objstoretest.VersityGW(t)
	for _, row := range []struct {
		name, toxic string
		status      int
		say         []string
	}{
		{"resets", `{"type": "reset_peer", "attributes": {"timeout": 0}}`, 0, []string{"broke off"}},
		{"stuck", `{"type": "timeout", "attributes": {"timeout": 0}}`, 0, []string{"no byte moved for 100ms"}},
		{"stuck upwards", `{"type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}}`, 0, []string{"no byte moved for 100ms"}},
		{"SlowDown", "", 503, []string{"HTTP 503 SlowDown"}},
		{"InternalError", "", 500, []string{"HTTP 500 InternalError"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, server, open.Options{Stall: 100 * time.Millisecond, RetryBudget: 300 * time.Millisecond})
			w.before = func(string) int { return row.status }
			if row.toxic != "" {
				w.suffer(row.toxic, 0)
			}
			_, get := fetch(t.Context(), w.store, "k")
			for op, err := range map[string]error{
				"get":     get,
				"put":     w.store.Put(t.Context(), "k", objstore.Bytes("x"), objstore.PutOptions{}),
				"put big": w.store.Put(t.Context(), "k", objstore.Bytes(noise(leastPart+1)), objstore.PutOptions{}),
			} {
				if !errors.Is(err, objstore.ErrTransient) {
					t.Errorf("%s: %v", op, err)
				}
				for _, text := range append(row.say, "given up after", "k") {
					if err == nil || !strings.Contains(err.Error(), text) {
						t.Errorf("%s: %v: does not say %q", op, err, text)
					}
				}
			}
			if len(w.waited()) == 0 {
				t.Error("no wait was logged")
			}
		})
	}
}

// A line on which one write request would take too long carries parts, which
// may take their time.
func TestTooSlowForOneRequest(t *testing.T) {
	w := newWire(t, objstoretest.VersityGW(t), open.Options{WriteTimeout: time.Second})
	w.suffer(`{"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 2000}}`, 0)
	want := noise(4_000_000)
	if err := w.store.Put(t.Context(), "k", objstore.Bytes(want), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := fetch(t.Context(), w.store, "k"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if w.count("put") != 1 || w.count("part 1") != 1 {
		t.Errorf("put %d times, its part %d times; want each once", w.count("put"), w.count("part 1"))
	}
}

// Of a big object only the request that failed is made again, be it refused
// or its answer lost.
func TestOnlyWhatFailed(t *testing.T) {
	server := objstoretest.VersityGW(t)
	want := noise(3*leastPart + 1234)
	second := fmt.Sprintf("get %d-%d", leastPart, 2*leastPart-1)
	all := []string{
		"begin", "part 1", "part 2", "part 3", "part 4", "complete",
		fmt.Sprintf("get 0-%d", leastPart-1), second, fmt.Sprintf("get %d-%d", 2*leastPart, 3*leastPart-1),
		fmt.Sprintf("get %d-%d", 3*leastPart, 3*leastPart+1233),
	}
	for _, row := range []struct {
		fails       string
		times, code int
		lost        bool
		absent      bool
		made        bool // while it is put
	}{
		{fails: "begin", times: 2, code: 503},
		{fails: "part 2", times: 3, code: 503},
		{fails: "part 3", times: 2, code: 500, lost: true},
		{fails: "complete", times: 2, code: 500},
		{fails: "complete", times: 2, code: 500, lost: true},
		{fails: "complete", times: 2, code: 503, lost: true, absent: true},
		{fails: "begin", times: 2, code: 503, made: true},
		{fails: "part 1", times: 3, code: 503, made: true},
		{fails: "part 3", times: 2, code: 500, lost: true, made: true},
		{fails: "complete", times: 2, code: 500, lost: true, made: true},
		{fails: second, times: 3, code: 503},
		{fails: second, times: 2, code: 500, lost: true},
	} {
		t.Run(fmt.Sprintf("%s, lost %v, absent %v, made %v", row.fails, row.lost, row.absent, row.made), func(t *testing.T) {
			t.Parallel()
			w := newWire(t, server, open.Options{})
			var mu sync.Mutex
			left := row.times
			fail := func(kind string) int {
				mu.Lock()
				defer mu.Unlock()
				if kind != row.fails || left == 0 {
					return 0
				}
				left--
				return row.code
			}
			if row.lost {
				w.after = fail
			} else {
				w.before = fail
			}
			// With if-absent a lost answer is "there", not "by me".
			opts := objstore.PutOptions{IfAbsent: row.absent}
			put := func() error { return w.store.Put(t.Context(), "k", objstore.Bytes(want), opts) }
			if row.made {
				put = func() error { return stream(t.Context(), w.store, "k", want, opts) }
			}
			err := put()
			if err != nil && (!row.absent || !errors.Is(err, fs.ErrExist)) {
				t.Fatal(err)
			}
			got, err := fetch(t.Context(), w.store, "k")
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
			}
			for _, kind := range all {
				times := 1
				if kind == row.fails {
					times += row.times
				}
				if n := w.count(kind); n != times {
					t.Errorf("%s was asked %d times, want %d", kind, n, times)
				}
			}
			if len(w.waited()) != row.times || slices.ContainsFunc(w.waited(), func(s string) bool { return !strings.Contains(s, "k ") }) {
				t.Errorf("logged: %s", w.waited())
			}
		})
	}
}
