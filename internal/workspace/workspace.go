// Package workspace makes the folders one lease works in and removes them
// after it:
//
//	<root>/lease-XXXX/
//	  metaflow/   working folder of the child, a copy of the code package
//	  tmp/        its TMPDIR
//	  spool/      where files change hands between child and launcher
//	  s           the task socket, unless the path is too long for one
//
// The working folder is called metaflow because conda's bootstrap looks for
// that name.
package workspace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

	base, socketDir string
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
	base, err := os.MkdirTemp(root, "lease-")
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

func (w *Workspace) fill(packageDir string) error {
	for _, dir := range []string{w.TempDir, w.SpoolDir} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	if len(w.SocketPath) > longestSocketPath {
		dir, err := os.MkdirTemp("/tmp", "millrace-")
		if err != nil {
			return fmt.Errorf("a folder for the task socket, whose path would be too long here: %w", err)
		}
		w.socketDir, w.SocketPath = dir, filepath.Join(dir, "s")
	}
	if err := copyTree(w.Dir, packageDir); err != nil {
		return fmt.Errorf("copy the code package: %w", err)
	}
	return nil
}

// Remove removes them, also what the task made unreadable for itself.
func (w *Workspace) Remove() error {
	var errs []error
	for _, dir := range []string{w.base, w.socketDir} {
		if dir == "" {
			continue
		}
		if err := removeAll(dir); err != nil {
			errs = append(errs, fmt.Errorf("remove the workspace: %w", err))
		}
	}
	return errors.Join(errs...)
}
