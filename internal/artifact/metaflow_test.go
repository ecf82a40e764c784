package artifact_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/file"
)

// metaflow runs a script in the interpreter that has Metaflow: `make test`
// provides it.
func metaflow(t *testing.T, script string, args ...string) string {
	t.Helper()
	python := os.Getenv("MILLRACE_TEST_PYTHON")
	if python == "" {
		var err error
		if python, err = filepath.Abs("../../.venv-client/bin/python"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(python); err != nil {
			t.Fatalf("no Python with Metaflow: set MILLRACE_TEST_PYTHON, or run `make venvs` (%v)", err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", script}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + cmd.Dir, "METAFLOW_USER=tester", "METAFLOW_CLIENT_CACHE_PATH=" + cmd.Dir}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python: %v\n%s", err, stderr.String())
	}
	return string(out)
}

const stockStore = `
import sys
from metaflow.datastore.content_addressed_store import ContentAddressedStore
from metaflow.plugins.datastores.local_storage import LocalStorage
store = ContentAddressedStore("F/data", LocalStorage(sys.argv[1]))
`

// Stock Metaflow and this package read what the other wrote.
func TestStockMetaflow(t *testing.T) {
	root := t.TempDir()
	store, pool := file.New(root), artifact.New(artifact.Config{TempDir: t.TempDir(), Memory: 8 << 20})
	args := []string{root}
	for _, content := range [][]byte{nil, []byte("x"), text(100_000), noise(100_000), text(3 << 20), noise(3 << 20)} {
		k := key(content)
		if err := pool.Save(t.Context(), store, k, objstore.Bytes(content), false, nil); err != nil {
			t.Fatal(err)
		}
		args = append(args, filepath.Base(k))
	}
	read := metaflow(t, stockStore+`
import hashlib
for key, blob in store.load_blobs(sys.argv[2:]):
    assert hashlib.sha1(blob).hexdigest() == key
    print(key)
`, args...)
	if got := len(strings.Fields(read)); got != len(args)-1 {
		t.Errorf("Metaflow read %d objects of %d", got, len(args)-1)
	}

	written := metaflow(t, stockStore+`
blobs = [b"a row\n" * 50000, b"", b"y"]
for result in store.save_blobs(iter(blobs)) + store.save_blobs(iter([b"as it is"]), raw=True):
    print(result.key)
`, root)
	keys := strings.Fields(written)
	for i, want := range []string{strings.Repeat("a row\n", 50000), "", "y", "as it is"} {
		got, err := load(t, pool, store, "F/data/"+keys[i][:2]+"/"+keys[i])
		if err != nil || string(got) != want {
			t.Errorf("object %d: %d bytes, %v", i, len(got), err)
		}
	}
}
