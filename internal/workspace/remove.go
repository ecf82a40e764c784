package workspace

import (
	"io/fs"
	"os"
	"path/filepath"
)

// removeAll is os.RemoveAll that also empties folders without write
// permission.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	// A folder is opened up before WalkDir reads it, when it is met as an
	// entry of its parent. Links are met as links and not followed. What
	// fails here fails again below, with the better message.
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
