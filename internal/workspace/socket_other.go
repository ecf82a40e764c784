//go:build !linux

package workspace

import (
	"io"
	"os"
	"path/filepath"
)

// shortSocket makes a folder for the socket where paths are short.
func shortSocket(string) (path string, hold io.Closer, err error) {
	dir, err := os.MkdirTemp("/tmp", "millrace-")
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(dir, "s"), ownFolder(dir), nil
}

type ownFolder string

func (d ownFolder) Close() error { return removeAll(string(d)) }
