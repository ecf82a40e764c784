// Package file keeps objects as Metaflow's local datastore does
// (plugins/datastores/local_storage.py): one file per key, and its user
// attributes as JSON in the sibling <path>_meta.
//
// A writer prepares temporary files beside the target, synced, and then, with
// the folder locked, puts attributes and content under their names. Readers
// lock the folder shared while they open the two, so nobody pairs the
// attributes of one put with the content of another. Metaflow's own processes
// do not lock; they see each file whole, since every step is a rename or link.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/internal/objstore"
)

const (
	metaSuffix = "_meta"
	// tempPrefix marks files that are no objects (yet).
	tempPrefix = ".millrace-tmp-"
)

// Store is one root folder. It is made at the first put.
type Store struct{ root string }

var _ objstore.Store = (*Store)(nil)

// New returns the store below root, an absolute path.
func New(root string) *Store { return &Store{root: filepath.Clean(root)} }

// path returns the key's file; no key leads out of the root.
func (s *Store) path(ctx context.Context, key string) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err := objstore.CheckKey(key); err != nil {
		return "", err
	}
	return filepath.Join(s.root, filepath.FromSlash(key)), nil
}

func (s *Store) failed(op, key string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = " (is the folder writable for this user?)"
	case outOfSpace(err):
		hint = " (the disk is full: free some space and run again)"
	case notAFolder(err):
		// An object where the key needs a folder: the key cannot exist.
		if op != "put" {
			err = fs.ErrNotExist
		}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("file store: %s %s%s: %w", op, filepath.Join(s.root, key), hint, err)
}

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	path, err := s.path(ctx, key)
	if err != nil {
		return err
	}
	f, info, err := openObject(key, path)
	if err != nil {
		return s.failed("get", key, err)
	}
	defer f.Close()
	length := info.Size - r.Offset
	if r.Length >= 0 {
		length = min(length, r.Length)
	}
	return fn(info, objstore.Ending(ctx, io.NewSectionReader(f, r.Offset, max(length, 0))))
}

// openObject opens the file and reads its attributes, as one pair.
func openObject(key, path string) (*os.File, objstore.Info, error) {
	unlock, err := lock(filepath.Dir(path), false)
	if err != nil {
		return nil, objstore.Info{}, err
	}
	defer unlock()
	f, err := os.Open(path)
	if err != nil {
		return nil, objstore.Info{}, err
	}
	info, err := describe(key, path, f.Stat)
	if err != nil {
		f.Close()
		return nil, objstore.Info{}, err
	}
	return f, info, nil
}

func describe(key, path string, stat func() (fs.FileInfo, error)) (objstore.Info, error) {
	st, err := stat()
	if err != nil {
		return objstore.Info{}, err
	}
	if !st.Mode().IsRegular() {
		return objstore.Info{}, fs.ErrNotExist
	}
	info := objstore.Info{Key: key, Size: st.Size(), Modified: st.ModTime()}
	attributes, err := os.ReadFile(path + metaSuffix)
	switch {
	case err == nil:
		info.Metadata = objstore.Metadata{objstore.UserAttributes: string(attributes)}
	case !errors.Is(err, fs.ErrNotExist) && !isFolder(err):
		return objstore.Info{}, err
	}
	return info, nil
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	path, err := s.path(ctx, key)
	if err != nil {
		return objstore.Info{}, err
	}
	unlock, err := lock(filepath.Dir(path), false)
	if err != nil {
		return objstore.Info{}, s.failed("stat", key, err)
	}
	defer unlock()
	info, err := describe(key, path, func() (fs.FileInfo, error) { return os.Stat(path) })
	if err != nil {
		return objstore.Info{}, s.failed("stat", key, err)
	}
	return info, nil
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	path, err := s.path(ctx, key)
	if err != nil {
		return err
	}
	unlock, err := lock(filepath.Dir(path), true)
	if err == nil {
		defer unlock()
		err = remove(path)
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) || notAFolder(err) {
		return nil
	}
	return s.failed("delete", key, err)
}

func remove(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return nil // holds other keys, or will
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.Remove(path + metaSuffix)
}
