package launcher

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/objstore/open"
)

func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	declared := map[string]string{
		"workers_a": filepath.Join(dir, "deep", "er", "a"), "workers_b": filepath.Join(dir, "b"), "workers_c": filepath.Join(dir, "c"),
	}
	err := writeOutputs(declared, []driverclient.WorkerList{
		{Step: "a", Workers: []int32{0, 1}}, {Step: "b"}, {Step: "undeclared", Workers: []int32{0}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		got[strings.TrimPrefix(path, dir)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"/deep/er/a": "[0,1]", "/b": "[]", "/c": "[]"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := writeOutputs(map[string]string{"workers_a": filepath.Join(file, "a")}, nil)
	if err == nil || !strings.Contains(err.Error(), "workers_a") {
		t.Errorf("got %v, want an error that names the output", err)
	}
}

func TestDefinition(t *testing.T) {
	text, err := os.ReadFile("../flowdef/testdata/definition.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	dir := t.TempDir()
	url := filepath.Join(dir, "definition")
	if err := os.WriteFile(url, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	stores := open.New(open.Options{})
	doc, err := fetchDefinition(t.Context(), stores, url, digest)
	if err != nil || doc.flow.Flow != "TrainFlow" {
		t.Fatalf("%+v, %v", doc, err)
	}
	empty := sha256.Sum256([]byte("{}"))
	for name, tt := range map[string]struct{ url, digest, want string }{
		"missing":         {filepath.Join(dir, "none"), digest, "none"},
		"differs":         {filepath.Join(dir, "other"), digest, "deploy the flow again"},
		"no definition":   {filepath.Join(dir, "other"), hex.EncodeToString(empty[:]), "schema"},
		"no such kind":    {"ftp://x/y", digest, "--definition"},
		"not even a path": {"", digest, "--definition"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fetchDefinition(t.Context(), stores, tt.url, tt.digest)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
