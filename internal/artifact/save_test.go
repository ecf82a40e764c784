package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/file"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSaveRefusesOtherContent(t *testing.T) {
	for name, src := range map[string]objstore.Source{
		"other content":  objstore.Bytes("not this"),
		"shorter source": short{objstore.Bytes("short")},
	} {
		store := mem.New()
		err := artifact.New(artifact.Config{}).Save(t.Context(), store, key([]byte("this")), src, false, nil)
		if err == nil {
			t.Errorf("%s: saved", name)
		}
		for info := range store.List(t.Context(), "") {
			t.Errorf("%s: %s is stored", name, info.Key)
		}
	}
}

type short struct{ objstore.Bytes }

func (s short) Size() int64 { return s.Bytes.Size() + 1 }

// What is there is not sent again, big or small.
func TestSaveOnce(t *testing.T) {
	for _, r := range []struct {
		content []byte
		calls   string
	}{
		{text(1000), "put, put"}, // as cheap as a look
		{text(1 << 20), "stat put, stat"},
	} {
		store := &objstoretest.Flaky{Store: mem.New()}
		k, content := key(r.content), r.content
		var calls []string
		var pool *artifact.Pool
		for range 2 { // pods
			pool = artifact.New(artifact.Config{})
			before := len(store.Calls())
			for range 2 { // tasks
				if err := pool.Save(t.Context(), store, k, objstore.Bytes(content), false, nil); err != nil {
					t.Fatal(err)
				}
			}
			calls = append(calls, strings.Join(store.Calls()[before:], " "))
		}
		if all := strings.ReplaceAll(strings.Join(calls, ", "), " "+k, ""); all != r.calls {
			t.Errorf("%d bytes: %s, want %s", len(content), all, r.calls)
		}
		if got, err := load(t, pool, store, k); err != nil || !bytes.Equal(got, content) {
			t.Errorf("loaded %d bytes, %v", len(got), err)
		}
	}
}

// Savers of one object at a time put it once; what ends one of them does not
// end the others.
func TestSaversOfOneObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		store := &objstoretest.Flaky{Store: mem.New(), Before: func(string, string) error { <-hold; return nil }}
		pool, content := artifact.New(artifact.Config{}), text(1000)
		over := errors.New("this task is over")
		first, cancel := context.WithCancelCause(t.Context())
		var firstErr error
		var others errgroup.Group
		var group sync.WaitGroup
		group.Go(func() { firstErr = pool.Save(first, store, key(content), objstore.Bytes(content), false, nil) })
		synctest.Wait()
		for range 3 {
			others.Go(func() error { return pool.Save(t.Context(), store, key(content), objstore.Bytes(content), false, nil) })
		}
		synctest.Wait()
		if calls := store.Calls(); len(calls) != 1 {
			t.Errorf("%v, want one put", calls)
		}
		cancel(over)
		close(hold)
		group.Wait()
		if !errors.Is(firstErr, over) {
			t.Errorf("the first: %v", firstErr)
		}
		if err := others.Wait(); err != nil {
			t.Errorf("another: %v", err)
		}
		if _, err := store.Stat(t.Context(), key(content)); err != nil {
			t.Error(err)
		}
	})
}

func TestSaveAsksTheFence(t *testing.T) {
	lost := errors.New("the lease is lost")
	store, content := mem.New(), text(1000)
	err := artifact.New(artifact.Config{}).Save(t.Context(), store, key(content), objstore.Bytes(content), false, func(context.Context) error { return lost })
	if !errors.Is(err, lost) {
		t.Errorf("Save = %v", err)
	}
}

// The encodings held at a time stay within the bound, however many are saved.
func TestMemoryHasACeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const memory, size = 1 << 20, 100_000
		var held, most atomic.Int64
		hold := make(chan struct{})
		store := &objstoretest.Flaky{Store: mem.New(), Before: func(string, string) error {
			n := held.Add(size)
			defer held.Add(-size)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-hold
			return nil
		}}
		pool := artifact.New(artifact.Config{Memory: memory, TempDir: t.TempDir()})
		var group errgroup.Group
		for n := range 40 {
			content := append([]byte{byte(n)}, noise(size-1)...)
			group.Go(func() error { return pool.Save(t.Context(), store, key(content), objstore.Bytes(content), false, nil) })
		}
		synctest.Wait() // all that may go on waits in the store
		close(hold)
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := most.Load(); got > memory || got < memory/2 {
			t.Errorf("%d bytes held at a time, the bound is %d", got, memory)
		}
	})
}

func TestAnEndedContextEndsASave(t *testing.T) {
	over := errors.New("the task is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(over)
	err := artifact.New(artifact.Config{}).Save(ctx, mem.New(), key(nil), objstore.Bytes(nil), false, nil)
	if !errors.Is(err, over) {
		t.Errorf("Save = %v", err)
	}
}

// What is stored is read by Python's own gzip, and flagged as what it is.
func TestPythonReadsIt(t *testing.T) {
	root := t.TempDir()
	store, pool := file.New(root), artifact.New(artifact.Config{TempDir: t.TempDir(), Memory: 8 << 20})
	for _, content := range [][]byte{nil, []byte("x"), text(100_000), noise(100_000), text(3 << 20), noise(3 << 20)} {
		if err := pool.Save(t.Context(), store, key(content), objstore.Bytes(content), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	const reader = `
import gzip, hashlib, json, pathlib, sys
seen = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("F/data/*/*")):
    if path.name.endswith("_meta"):
        continue
    meta = json.loads(path.with_name(path.name + "_meta").read_text())
    assert meta["cas_version"] == 1, meta
    data = path.read_bytes()
    if not meta["cas_raw"]:
        data = gzip.decompress(data)
    assert hashlib.sha1(data).hexdigest() == path.name, path
    seen += 1
print(seen)
`
	out, err := exec.CommandContext(t.Context(), "python3", "-c", reader, root).CombinedOutput()
	if err != nil || string(out) != "6\n" {
		t.Errorf("python: %v\n%s", err, out)
	}
}
