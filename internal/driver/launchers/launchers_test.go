package launchers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) (sum string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
}

func TestFind(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "launcher-linux-arm64-folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	own := write(t, filepath.Join(folder, "launcher"), "own")
	arm := write(t, filepath.Join(folder, "launcher-linux-arm64"), "arm")
	old := write(t, filepath.Join(folder, "launcher-linux-arm64-0.0.9"), "old arm")
	secret := write(t, filepath.Join(folder, "driver.db"), "secret")
	dir := Open(folder)
	for _, tt := range []struct {
		name, arch, sum, want string
	}{
		{"this machine's own", runtime.GOARCH, own, "own"},
		{"another architecture's", "arm64", arm, "arm"},
		{"an earlier release", "arm64", old, "old arm"},
		{"the wrong architecture", "riscv64", arm, ""},
		{"another file", "arm64", secret, ""},
		{"no digest", "arm64", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := dir.Find(tt.arch, tt.sum)
			if tt.want == "" {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("found, %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			if got, err := io.ReadAll(f); err != nil || string(got) != tt.want {
				t.Errorf("served %q, %v", got, err)
			}
		})
	}
}

// TestReplaced: a file that was replaced is served under its new digest only.
func TestReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "launcher-linux-amd64")
	dir := Open(filepath.Dir(path))
	before := write(t, path, "one")
	f, err := dir.Find("amd64", before)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	after := write(t, path, "two")
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if f, err = dir.Find("amd64", after); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if _, err := dir.Find("amd64", before); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the replaced launcher: %v", err)
	}
}

func TestNoPins(t *testing.T) {
	if pins, err := Pins(t.TempDir(), true); err == nil {
		t.Errorf("pins of an empty folder: %v", pins)
	}
}
