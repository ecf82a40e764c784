// Package launchers finds the launcher binaries in a folder: by architecture
// to pin them in a pipeline, by digest to serve them to pods.
//
//	launcher                          this machine's own
//	launcher-linux-amd64, -arm64      for pods
//	launcher-linux-amd64-0.1.0, ...   earlier releases: served, never pinned
//
// The folder's files are replaced by the next build or release while deployed
// flows pin the ones before, so copies are kept (Kept).
package launchers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Archs are the architectures pods run on.
func Archs() []string { return []string{"amd64", "arm64"} }

// Beside is the folder of this program.
func Beside() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the launchers: %w; set --launcher-dir", err)
	}
	return filepath.Dir(self), nil
}

// Pins are the digests to pin by architecture, of those that are there. When
// pods run on this machine its own launcher wins; else pods are Linux.
func Pins(dir string, here bool) (map[string]string, error) {
	pins := map[string]string{}
	for _, arch := range Archs() {
		names := []string{"launcher-linux-" + arch}
		if arch == runtime.GOARCH && here {
			names = append([]string{"launcher"}, names...)
		} else if arch == runtime.GOARCH && runtime.GOOS == "linux" {
			names = append(names, "launcher")
		}
		for _, name := range names {
			sum, err := digestOf(filepath.Join(dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("digest of the launcher: %w", err)
			}
			pins[arch] = sum
			break
		}
	}
	if len(pins) == 0 {
		return nil, fmt.Errorf("no launcher in %s (launcher-linux-amd64, launcher-linux-arm64, or launcher for this machine)", dir)
	}
	return pins, nil
}

// Dir serves the launchers of one folder. Digests are remembered for as long
// as a file looks the same. It is safe for concurrent use.
type Dir struct {
	path string

	mu   sync.Mutex
	sums map[string]seen
}

// seen is a file as it was when its digest was taken.
type seen struct {
	size    int64
	changed time.Time
	sum     string
}

// Open returns a Dir of the folder; a folder that comes later is found then.
func Open(path string) *Dir { return &Dir{path: path, sums: map[string]seen{}} }

// Find opens the launcher of that architecture and digest; the caller closes
// it. The error wraps fs.ErrNotExist when there is none.
func (d *Dir) Find(arch, sum string) (*os.File, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("launchers in %s: %w", d.path, err)
	}
	for _, entry := range entries {
		if arch == "" || archOf(entry.Name()) != arch {
			continue
		}
		f, err := os.Open(filepath.Join(d.path, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("launcher: %w", err)
		}
		has, err := d.digest(f)
		if err == nil && has != "" && has == sum {
			return f, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("digest of the launcher %s: %w", entry.Name(), err)
		}
	}
	return nil, fmt.Errorf("no launcher for %s with SHA-256 %s in %s: %w", arch, sum, d.path, fs.ErrNotExist)
}

// archOf is the architecture that a file's name speaks of; empty for what is
// no launcher.
func archOf(name string) string {
	if name == "launcher" {
		return runtime.GOARCH
	}
	rest, linux := strings.CutPrefix(name, "launcher-linux-")
	if !linux {
		return ""
	}
	arch, _, _ := strings.Cut(rest, "-")
	return arch
}

// digest is taken of the open file, so that it is of what will be served;
// empty for what is no file.
func (d *Dir) digest(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", nil
	}
	d.mu.Lock()
	defer d.mu.Unlock() // also over the hashing: a hundred pods ask at once
	if s := d.sums[f.Name()]; s.sum != "" && s.size == info.Size() && s.changed.Equal(info.ModTime()) {
		return s.sum, nil
	}
	sum, err := hash(f)
	if err != nil {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	d.sums[f.Name()] = seen{size: info.Size(), changed: info.ModTime(), sum: sum}
	return sum, nil
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	return hash(f)
}

func hash(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
