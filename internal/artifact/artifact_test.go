package artifact_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

const (
	rawAttributes  = `{"cas_raw": true, "cas_version": 1}`
	gzipAttributes = `{"cas_raw": false, "cas_version": 1}`
)

// key is the place of content in a datastore.
func key(content []byte) string {
	sum := sha1.Sum(content)
	name := hex.EncodeToString(sum[:])
	return "F/data/" + name[:2] + "/" + name
}

func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func text(size int) []byte {
	return bytes.Repeat([]byte("a row of a table, much like the next\n"), size/37+1)[:size]
}

func load(t *testing.T, pool *artifact.Pool, store objstore.Store, key string) ([]byte, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	err := pool.Load(t.Context(), store, key, path)
	data, readErr := os.ReadFile(path)
	if err != nil && !errors.Is(readErr, fs.ErrNotExist) {
		t.Errorf("Load(%s) failed and left a file (%v)", key, readErr)
	}
	return data, err
}

func TestRoundTrip(t *testing.T) {
	rows := []struct {
		name    string
		content []byte
		raw     bool
		want    string // the attributes
	}{
		{"nothing", nil, false, gzipAttributes},
		{"a number", []byte("\x80\x04K\x01."), false, gzipAttributes},
		{"text", text(100_000), false, gzipAttributes},
		{"noise", noise(100_000), false, rawAttributes},
		{"little noise", noise(400), false, gzipAttributes},
		{"text through a file", text(3 << 20), false, gzipAttributes},
		{"noise through a file", noise(3 << 20), false, rawAttributes},
		{"a code package", text(100_000), true, rawAttributes},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			temp := t.TempDir()
			pool, store, k := artifact.New(artifact.Config{TempDir: temp, Memory: 8 << 20}), mem.New(), key(r.content)
			if err := pool.Save(t.Context(), store, k, objstore.Bytes(r.content), r.raw, nil); err != nil {
				t.Fatal(err)
			}
			info, err := store.Stat(t.Context(), k)
			if err != nil || info.Metadata[objstore.UserAttributes] != r.want {
				t.Errorf("stored with %v, %v; want %s", info.Metadata, err, r.want)
			}
			if got, err := load(t, pool, store, k); err != nil || !bytes.Equal(got, r.content) {
				t.Errorf("loaded %d bytes, %v; want %d", len(got), err, len(r.content))
			}
			if left, _ := os.ReadDir(temp); len(left) != 0 {
				t.Errorf("left in the temporary folder: %v", left)
			}
		})
	}
}

func zip(t testing.TB, level int, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		w, err := gzip.NewWriterLevel(&b, level)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestDecode holds the rules of Metaflow's own reader.
func TestDecode(t *testing.T) {
	content := text(1000)
	packed := zip(t, 3, content)
	rows := []struct {
		name, attributes string // "-": none
		stored           []byte
		problem          string
	}{
		{"gzip", gzipAttributes, packed, ""},
		{"raw", rawAttributes, content, ""},
		{"raw needs no version", `{"cas_raw": true}`, content, ""},
		{"raw of any version", `{"cas_raw": true, "cas_version": 7}`, content, ""},
		{"no attributes are gzip", "-", packed, ""},
		{"gzip in several members", gzipAttributes, zip(t, 3, content[:300], content[300:]), ""},
		{"gzip that only stores", gzipAttributes, zip(t, 0, content), ""},
		{"cas_raw may be absent", `{"cas_version": 1}`, packed, ""},
		{"more attributes", `{"cas_raw": false, "cas_version": 1, "x": [2]}`, packed, ""},
		{"no version", `{"x": 1}`, packed, "no cas_version"},
		{"empty attributes", `{}`, packed, "no cas_version"},
		{"newer version", `{"cas_raw": false, "cas_version": 2}`, packed, "version 2"},
		{"attributes that are no JSON", `cas_raw`, packed, "no JSON object"},
		{"attributes of a wrong type", `{"cas_raw": "yes", "cas_version": 1}`, packed, "no JSON object"},
		{"raw without attributes", "-", content, "does not begin as such"},
		{"raw called gzip", gzipAttributes, content, "does not begin as such"},
		{"gzip called raw", rawAttributes, packed, "have SHA-1"},
		{"other content", gzipAttributes, zip(t, 3, content[1:]), "have SHA-1"},
		{"cut short", gzipAttributes, packed[:len(packed)-9], "cannot be decoded"},
		{"cut in the header", gzipAttributes, packed[:5], "does not begin as such"},
		{"something behind it", gzipAttributes, append(bytes.Clone(packed), "tail"...), "cannot be decoded"},
		{"nothing", gzipAttributes, nil, "does not begin as such"},
	}
	k := key(content)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			var md objstore.Metadata
			if r.attributes != "-" {
				md = objstore.Metadata{objstore.UserAttributes: r.attributes}
			}
			store, pool := mem.New(), artifact.New(artifact.Config{})
			if err := store.Put(t.Context(), k, objstore.Bytes(r.stored), objstore.PutOptions{Metadata: md}); err != nil {
				t.Fatal(err)
			}
			got, err := load(t, pool, store, k)
			if r.problem == "" {
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("loaded %d bytes, %v", len(got), err)
				}
				return
			}
			if !errors.Is(err, artifact.ErrCorrupt) || !strings.Contains(err.Error(), r.problem) || !strings.Contains(err.Error(), k) {
				t.Errorf("Load = %v, want corrupt, %q and the key", err, r.problem)
			}
		})
	}
}

func TestLoadWhatIsMissing(t *testing.T) {
	if _, err := load(t, artifact.New(artifact.Config{}), mem.New(), key(nil)); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("Load = %v, want fs.ErrNotExist", err)
	}
}

// A file that is there is not written over, and not removed either.
func TestLoadOntoAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := artifact.New(artifact.Config{}).Load(t.Context(), mem.New(), key(nil), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Load = %v, want fs.ErrExist", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "mine" {
		t.Errorf("the file holds %q", data)
	}
}

func FuzzDecode(f *testing.F) {
	content := text(100)
	f.Add(gzipAttributes, true, zip(f, 3, content))
	f.Add(rawAttributes, true, content)
	f.Add("", false, zip(f, 3, content))
	f.Add(`{"cas_version": 2}`, true, content)
	f.Add(gzipAttributes, true, zip(f, 3, content)[:20])
	f.Fuzz(func(t *testing.T, attributes string, has bool, stored []byte) {
		var md objstore.Metadata
		if has {
			md = objstore.Metadata{objstore.UserAttributes: attributes}
		}
		k, store := key(content), mem.New()
		if err := store.Put(t.Context(), k, objstore.Bytes(stored), objstore.PutOptions{Metadata: md}); err != nil {
			t.Fatal(err)
		}
		// Whatever comes in, what is accepted has the key's hash.
		if got, err := load(t, artifact.New(artifact.Config{}), store, k); err == nil && key(got) != k {
			t.Errorf("accepted %d bytes of another content", len(got))
		} else if err != nil && !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("%v is not of the class corrupt", err)
		}
	})
}
