package workspace

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// copyTree copies folders and plain files with their modes and times. A code
// package holds nothing else: extraction refuses it.
func copyTree(to, from string) error {
	// A folder takes its mode and time when it is full: it may be read-only,
	// and each new entry changes its time.
	type folder struct {
		path string
		info fs.FileInfo
	}
	var folders []folder
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir():
			folders = append(folders, folder{target, info})
			return os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			return copyFile(target, path, info)
		default:
			return fmt.Errorf("%s is neither a file nor a folder but %s", path, entry.Type())
		}
	})
	if err != nil {
		return err
	}
	for i := len(folders) - 1; i >= 0; i-- {
		if err := dress(folders[i].path, folders[i].info); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string, info fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if !clone(out, in) {
		if _, err := io.Copy(out, in); err != nil {
			_ = out.Close()
			return fmt.Errorf("copy %s: %w", from, err)
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	return dress(to, info)
}

func dress(path string, info fs.FileInfo) error {
	if err := os.Chmod(path, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(path, time.Time{}, info.ModTime())
}
