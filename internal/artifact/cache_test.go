package artifact_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
)

// caching is a pool with a cache over a store that notes its calls.
func caching(t *testing.T, limit int64, contents ...[]byte) (*artifact.Pool, *objstoretest.Flaky, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	store := &objstoretest.Flaky{Store: mem.New()}
	for _, content := range contents {
		if err := artifact.New(artifact.Config{}).Save(t.Context(), store.Store, key(content), objstore.Bytes(content), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	return artifact.New(artifact.Config{CacheDir: dir, CacheBytes: limit}), store, dir
}

func wantLoad(t *testing.T, pool *artifact.Pool, store objstore.Store, content []byte) {
	t.Helper()
	if got, err := load(t, pool, store, key(content)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("loaded %d bytes, %v; want %d", len(got), err, len(content))
	}
}

// What tasks of one pod share is fetched once; of what is large this is known
// only when it is asked for again.
func TestSharedInputsAreFetchedOnce(t *testing.T) {
	small, large := text(1000), noise(2<<20)
	pool, store, _ := caching(t, 64<<20, small, large)
	for range 4 {
		wantLoad(t, pool, store, small)
		wantLoad(t, pool, store, large)
	}
	if calls := strings.Join(store.Calls(), " "); strings.Count(calls, key(small)) != 1 || strings.Count(calls, key(large)) != 2 {
		t.Errorf("%s", calls)
	}
}

func TestTheCacheHasALimit(t *testing.T) {
	var contents [][]byte
	for n := range 20 {
		contents = append(contents, append([]byte{byte(n)}, noise(10_000)...))
	}
	pool, store, dir := caching(t, 50_000, contents...)
	for _, content := range contents {
		wantLoad(t, pool, store, content)
	}
	kept, err := os.ReadDir(dir)
	if err != nil || len(kept) != 4 {
		t.Errorf("%d files are kept, %v", len(kept), err)
	}
	before := len(store.Calls())
	wantLoad(t, pool, store, contents[19])
	if calls := store.Calls()[before:]; len(calls) != 0 {
		t.Errorf("the newest is fetched again: %v", calls)
	}
}

// The cache lies within reach of the user's code: what was changed or removed
// there is fetched again.
func TestTheCacheIsNotTrusted(t *testing.T) {
	content := text(1000)
	pool, store, dir := caching(t, 1<<20, content)
	wantLoad(t, pool, store, content)
	kept := filepath.Join(dir, filepath.Base(key(content)))
	if err := os.WriteFile(kept, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantLoad(t, pool, store, content)
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	wantLoad(t, pool, store, content)
	if calls := store.Calls(); len(calls) != 3 {
		t.Errorf("%v", calls)
	}
}

// What was loaded is there: a task that stores it again sends nothing.
func TestWhatWasLoadedIsNotSent(t *testing.T) {
	content := text(1000)
	pool, store, _ := caching(t, 0, content)
	wantLoad(t, pool, store, content)
	if err := pool.Save(t.Context(), store, key(content), objstore.Bytes(content), false, nil); err != nil {
		t.Fatal(err)
	}
	if calls := store.Calls(); len(calls) != 1 {
		t.Errorf("%v", calls)
	}
}
