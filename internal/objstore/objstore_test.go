package objstore_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{"a/b", "../a", "a/../../b", "/a", "a//b", "a/.", "", "a\x00", "..a/b..", strings.Repeat("x", 1001)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		err := objstore.CheckKey(key)
		if err != nil {
			if !errors.Is(err, fs.ErrInvalid) || len(err.Error()) > 1000 {
				t.Errorf("CheckKey(%q) = %v", key, err)
			}
			return
		}
		// An accepted key is one file below the root, and no other key is.
		path := filepath.Join("/root", key)
		if below, ok := strings.CutPrefix(path, "/root/"); !ok || below != key {
			t.Errorf("%q is the file %s", key, path)
		}
	})
}

func TestReadAll(t *testing.T) {
	s := mem.New()
	if err := s.Put(t.Context(), "k", objstore.Bytes("12345"), objstore.PutOptions{Metadata: objstore.Metadata{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
	data, info, err := objstore.ReadAll(t.Context(), s, "k", 5)
	if err != nil || string(data) != "12345" || info.Size != 5 || info.Metadata["a"] != "b" {
		t.Errorf("%q, %+v, %v", data, info, err)
	}
	if _, _, err := objstore.ReadAll(t.Context(), s, "k", 4); err == nil || !strings.Contains(err.Error(), "5 bytes, more than the 4") {
		t.Errorf("above the limit: %v", err)
	}
	if _, _, err := objstore.ReadAll(t.Context(), s, "none", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := objstore.File(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]objstore.Source{"bytes": objstore.Bytes("content"), "file": file} {
		for range 2 {
			r, err := src.Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := r.(io.Seeker); !ok {
				t.Errorf("%s cannot seek, so that a store would have to copy it", name)
			}
			data, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(data, []byte("content")) || src.Size() != 7 {
				t.Errorf("%s: %q of %d bytes, %v", name, data, src.Size(), err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := objstore.File(path + "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}
