package launchers

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kept serves the launchers of a Dir and of a second folder, into which it
// copies each as <arch>-<sha256>: a file that was replaced is found there. It
// is safe for concurrent use.
type Kept struct {
	dir    *Dir
	folder string
	most   int

	mu sync.Mutex // held over each change of the folder
}

// Keep returns a Kept that leaves in folder the most lately used, and those
// that are in dir. With most 0 nothing is copied.
func Keep(dir *Dir, folder string, most int) *Kept {
	return &Kept{dir: dir, folder: folder, most: most}
}

// Find opens the launcher as Dir.Find does, wherever it is.
func (k *Kept) Find(arch, sum string) (*os.File, error) {
	f, err := k.dir.Find(arch, sum)
	path := filepath.Join(k.folder, arch+"-"+sum)
	if !isDigest(sum) || strings.ContainsAny(arch, `/\`) {
		return f, err
	}
	if err != nil {
		var keptErr error
		if f, keptErr = os.Open(path); keptErr != nil {
			return nil, err
		}
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // what is in use is the last to go
	return f, nil
}

func isDigest(sum string) bool {
	raw, err := hex.DecodeString(sum)
	return err == nil && len(raw) == sha256.Size
}

// Refresh copies what is new in the Dir and removes what is too many.
func (k *Kept) Refresh() error {
	if k.most < 1 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	entries, err := os.ReadDir(k.dir.path)
	if err != nil {
		return fmt.Errorf("keep the launchers: %w", err)
	}
	if err := os.MkdirAll(k.folder, 0o700); err != nil {
		return fmt.Errorf("keep the launchers: %w", err)
	}
	var present []string
	var errs []error
	for _, entry := range entries {
		arch := archOf(entry.Name())
		if arch == "" {
			continue
		}
		name, err := k.keep(filepath.Join(k.dir.path, entry.Name()), arch)
		if err != nil {
			errs = append(errs, fmt.Errorf("keep the launcher %s: %w", entry.Name(), err))
		}
		present = append(present, name)
	}
	return errors.Join(append(errs, k.prune(present))...)
}

// keep copies one file, unless that was done, and returns the copy's name.
func (k *Kept) keep(path, arch string) (name string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum, err := k.dir.digest(f)
	if err != nil || sum == "" {
		return "", err
	}
	name = arch + "-" + sum
	if _, err := os.Stat(filepath.Join(k.folder, name)); !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	return name, k.copy(f, arch)
}

// copy names the copy by the digest of what it holds: the file may have been
// written to since it was hashed.
func (k *Kept) copy(from io.Reader, arch string) (err error) {
	to, err := os.CreateTemp(k.folder, ".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(to.Name()))
		}
	}()
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(to, h), from)
	if err == nil {
		err = to.Chmod(0o755)
	}
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return os.Rename(to.Name(), filepath.Join(k.folder, arch+"-"+hex.EncodeToString(h.Sum(nil))))
}

// leftover is how old a copy is that nobody is making any more.
const leftover = time.Hour

// prune removes all but the most lately used; those present stay.
func (k *Kept) prune(present []string) error {
	entries, err := os.ReadDir(k.folder)
	if err != nil {
		return fmt.Errorf("prune the kept launchers: %w", err)
	}
	var kept []fs.FileInfo
	var errs []error
	for _, entry := range entries {
		info, err := entry.Info()
		switch {
		case err != nil:
			errs = append(errs, err)
		case !strings.HasPrefix(entry.Name(), ".new-"):
			kept = append(kept, info)
		case time.Since(info.ModTime()) > leftover:
			errs = append(errs, os.Remove(filepath.Join(k.folder, entry.Name())))
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, info := range kept[min(k.most, len(kept)):] {
		if !slices.Contains(present, info.Name()) {
			errs = append(errs, os.Remove(filepath.Join(k.folder, info.Name())))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("prune the kept launchers: %w", err)
	}
	return nil
}
