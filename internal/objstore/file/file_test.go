package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/file"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
)

func TestLaws(t *testing.T) {
	objstoretest.Exercise(t, objstoretest.Harness{Fresh: func(t *testing.T) objstore.Store { return file.New(t.TempDir()) }, Big: 300_000})
}

const attributes = `{"cas_raw": false, "cas_version": 1}`

func put(t *testing.T, s objstore.Store, key, content string, md objstore.Metadata) {
	t.Helper()
	if err := s.Put(t.Context(), key, objstore.Bytes(content), objstore.PutOptions{Metadata: md}); err != nil {
		t.Fatal(err)
	}
}

// TestFiles: on the disk it looks as Metaflow's local datastore leaves it.
func TestFiles(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "there", ".metaflow")
	s := file.New(root)
	put(t, s, "F/data/ab/abcd", "content", objstore.Metadata{objstore.UserAttributes: attributes})
	put(t, s, "F/1/start/2/0.data.json", "{}", nil)
	if err := s.Put(t.Context(), "F/1/start/2/0.DONE.lock", objstore.Bytes(`""`), objstore.PutOptions{IfAbsent: true}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"F/data/ab/abcd": "content", "F/data/ab/abcd_meta": attributes,
		"F/1/start/2/0.data.json": "{}", "F/1/start/2/0.DONE.lock": `""`,
	}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		data, err := os.ReadFile(path)
		if text, ok := want[filepath.ToSlash(name)]; !ok || string(data) != text {
			t.Errorf("%s holds %q, want %q", name, data, text)
		}
		delete(want, filepath.ToSlash(name))
		if info, _ := e.Info(); info.Mode().Perm()&0o400 == 0 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		return err
	})
	if err != nil || len(want) != 0 {
		t.Errorf("missing %v, %v", want, err)
	}
}

// What a writer that died left behind is no object and is in nobody's way.
func TestLeftovers(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "F"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"F/.millrace-tmp-XYZ", "F/k_meta"} {
		// The content half written; the attributes in place, the content not.
		if err := os.WriteFile(filepath.Join(root, name), []byte(attributes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := file.New(root)
	if _, err := s.Stat(t.Context(), "F/k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat = %v", err)
	}
	put(t, s, "F/k", "mine", nil)
	if info, err := s.Stat(t.Context(), "F/k"); err != nil || info.Metadata != nil {
		t.Errorf("Stat = %+v, %v; want no attributes of the dead writer", info, err)
	}
	for info, err := range s.List(t.Context(), "") {
		if err != nil || info.Key != "F/k" {
			t.Errorf("listed %q, %v", info.Key, err)
		}
	}
}

// Metadata that Metaflow's format cannot hold is refused, not dropped.
func TestOtherMetadata(t *testing.T) {
	err := file.New(t.TempDir()).Put(t.Context(), "k", objstore.Bytes("x"), objstore.PutOptions{Metadata: objstore.Metadata{"colour": "blue"}})
	if err == nil || !strings.Contains(err.Error(), objstore.UserAttributes) {
		t.Errorf("Put = %v", err)
	}
}

// An object cannot lie below another one; the error says which is in the way.
func TestBelowAnObject(t *testing.T) {
	s := file.New(t.TempDir())
	put(t, s, "a/b", "x", nil)
	if err := s.Put(t.Context(), "a/b/c", objstore.Bytes("y"), objstore.PutOptions{}); err == nil || !strings.Contains(err.Error(), "a/b/c") {
		t.Errorf("Put = %v", err)
	}
	if _, err := s.Stat(t.Context(), "a/b/c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat = %v", err)
	}
	if err := s.Put(t.Context(), "a", objstore.Bytes("y"), objstore.PutOptions{}); err == nil {
		t.Error("an object took a folder's place")
	}
	if data, _, err := objstore.ReadAll(t.Context(), s, "a/b", 10); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
}
