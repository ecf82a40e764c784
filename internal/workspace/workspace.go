// Package workspace makes the folders one lease works in and removes them
// after it:
//
//	<root>/1/      the first number that is free
//	  metaflow/   working folder of the child, a copy of the code package
//	  tmp/        its TMPDIR
//	  spool/      where files change hands between child and launcher
//	  s           the task socket; reached by another path where this is too long
//
// The working folder is called metaflow because conda's bootstrap looks for
// that name.
package workspace

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// longestSocketPath is below what the kernels allow (108 bytes on Linux, 104
// on macOS), for the sake of temporary names beside it.
const longestSocketPath = 100

// Workspace is what one lease works in.
type Workspace struct {
	// Dir is the child's working folder, TempDir its TMPDIR.
	Dir, TempDir string
	// SpoolDir is for files handed through the task socket at SocketPath.
	SpoolDir, SocketPath string

	base string
	// socket keeps a short path to the socket good; nil when it needs none.
	socket io.Closer
}

// New makes a lease's folders below root, with a copy of the extracted code
// package packageDir. When it fails nothing is left.
func New(root, packageDir string) (*Workspace, error) {
	root, err := filepath.Abs(root) // the paths are the child's too, which may change folder
	if err != nil {
		return nil, fmt.Errorf("make a workspace: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make a workspace: %w", err)
	}
	base, err := firstFree(root)
	if err != nil {
		return nil, fmt.Errorf("make a workspace: %w", err)
	}
	w := &Workspace{
		Dir: filepath.Join(base, "metaflow"), TempDir: filepath.Join(base, "tmp"),
		SpoolDir: filepath.Join(base, "spool"), SocketPath: filepath.Join(base, "s"), base: base,
	}
	if err := w.fill(packageDir); err != nil {
		return nil, errors.Join(fmt.Errorf("make a workspace in %s: %w", base, err), w.Remove())
	}
	return w, nil
}

// firstFree makes the folder 1, or the next that is not there. Its name is
// short: programs put sockets below TMPDIR (Ray's add 67 bytes), and a socket's
// path has at most 107.
func firstFree(root string) (string, error) {
	for n := 1; ; n++ {
		base := filepath.Join(root, strconv.Itoa(n))
		if err := os.Mkdir(base, 0o700); !errors.Is(err, fs.ErrExist) {
			return base, err
		}
	}
}

func (w *Workspace) fill(packageDir string) error {
	for _, dir := range []string{w.TempDir, w.SpoolDir} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if len(w.SocketPath) > longestSocketPath {
		var err error
		if w.SocketPath, w.socket, err = shortSocket(w.base); err != nil {
			return fmt.Errorf("a short path for the task socket, whose own would be too long: %w", err)
		}
	}
	if err := copyTree(w.Dir, packageDir); err != nil {
		return fmt.Errorf("copy the code package: %w", err)
	}
	return nil
}

// Remove removes them, also what the task made unreadable for itself.
func (w *Workspace) Remove() error {
	var errs []error
	if w.socket != nil {
		errs = append(errs, w.socket.Close())
		w.socket = nil
	}
	if err := removeAll(w.base); err != nil {
		errs = append(errs, fmt.Errorf("remove the workspace: %w", err))
	}
	return errors.Join(errs...)
}
