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

import "errors"

// Workspace is what one lease works in.
type Workspace struct {
	// Dir is the child's working folder, TempDir its TMPDIR.
	Dir, TempDir string
	// SpoolDir is for files handed through the task socket at SocketPath.
	SpoolDir, SocketPath string

	base, socketDir string
}

// New makes a lease's folders below root, with a copy of the extracted code
// package packageDir.
func New(root, packageDir string) (*Workspace, error) { return nil, errors.New("not yet") }

// Remove removes them.
func (w *Workspace) Remove() error { return nil }
