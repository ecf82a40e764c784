package workspace

import (
	"os"

	"golang.org/x/sys/unix"
)

// clone shares the blocks of in with out, on file systems that can (XFS,
// Btrfs); it changes nothing when it returns false.
func clone(out, in *os.File) bool {
	return unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil
}
