package launchers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func keep(t *testing.T, most int) (k *Kept, from, to string) {
	t.Helper()
	from, to = t.TempDir(), filepath.Join(t.TempDir(), "launchers")
	return Keep(Open(from), to, most), from, to
}

func wantServed(t *testing.T, k *Kept, arch, sum, want string) {
	t.Helper()
	f, err := k.Find(arch, sum)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if got, err := io.ReadAll(f); err != nil || string(got) != want {
		t.Errorf("served %q, %v, want %q", got, err, want)
	}
}

func refresh(t *testing.T, k *Kept) {
	t.Helper()
	if err := k.Refresh(); err != nil {
		t.Fatal(err)
	}
}

// TestKeptAfterReplacement: flows pin what was there before.
func TestKeptAfterReplacement(t *testing.T) {
	k, from, to := keep(t, 5)
	own := write(t, filepath.Join(from, "launcher"), "own")
	arm := write(t, filepath.Join(from, "launcher-linux-arm64-0.1"), "arm")
	refresh(t, k)
	for _, name := range []string{"launcher", "launcher-linux-arm64-0.1"} {
		if err := os.Remove(filepath.Join(from, name)); err != nil {
			t.Fatal(err)
		}
	}
	next := write(t, filepath.Join(from, "launcher"), "the next build")
	k = Keep(Open(from), to, 5) // another driver
	refresh(t, k)
	wantServed(t, k, runtime.GOARCH, own, "own")
	wantServed(t, k, "arm64", arm, "arm")
	wantServed(t, k, runtime.GOARCH, next, "the next build")
	for _, tt := range []struct{ name, arch, sum string }{
		{"another architecture", "riscv64", arm},
		{"no digest", "arm64", ""},
		{"never seen", "arm64", strings.Repeat("0", 64)},
		{"a path as architecture", "../launchers/arm64", arm},
		{"a path as digest", "arm64", "../driver.db"},
	} {
		if _, err := k.Find(tt.arch, tt.sum); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for path, want := range map[string]fs.FileMode{to: fs.ModeDir | 0o700, filepath.Join(to, "arm64-"+arm): 0o755} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want mode %s", path, info, err, want)
		}
	}
}

// TestMostLatelyUsedStay: what pods still ask for outlives what is newer.
func TestMostLatelyUsedStay(t *testing.T) {
	k, from, to := keep(t, 2)
	path := filepath.Join(from, "launcher-linux-amd64")
	long := time.Now().Add(-24 * time.Hour)
	var sums []string
	for i := range 4 {
		sums = append(sums, write(t, path, fmt.Sprint("build ", i)))
		if err := os.Chtimes(path, time.Time{}, long.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
		refresh(t, k)
		copied := filepath.Join(to, "amd64-"+sums[i])
		if err := os.Chtimes(copied, time.Time{}, long.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
		wantServed(t, k, "amd64", sums[0], "build 0")
	}
	left := map[string]bool{}
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		left[strings.TrimPrefix(entry.Name(), "amd64-")] = true
	}
	if len(left) != 2 || !left[sums[0]] || !left[sums[3]] {
		t.Errorf("kept %v, want the first and the last of %v", left, sums)
	}
}

// TestPresentStay: more launchers than are kept are all served, and are not
// copied again each time.
func TestPresentStay(t *testing.T) {
	k, from, to := keep(t, 1)
	for i := range 3 {
		write(t, filepath.Join(from, fmt.Sprint("launcher-linux-amd64-", i)), fmt.Sprint("release ", i))
	}
	leftover := filepath.Join(to, ".new-1")
	refresh(t, k)
	write(t, leftover, "half a copy")
	if err := os.Chtimes(leftover, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	refresh(t, k)
	entries, err := os.ReadDir(to)
	if err != nil || len(entries) != 3 {
		t.Errorf("kept %v, %v", entries, err)
	}
}

func TestKeepNone(t *testing.T) {
	k, from, to := keep(t, 0)
	sum := write(t, filepath.Join(from, "launcher-linux-amd64"), "build")
	refresh(t, k)
	wantServed(t, k, "amd64", sum, "build")
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder was made: %v", err)
	}
}
