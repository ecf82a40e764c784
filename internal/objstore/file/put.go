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

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	path, err := s.path(ctx, key)
	if err != nil {
		return err
	}
	attributes, hasAttributes := opts.Metadata[objstore.UserAttributes]
	if len(opts.Metadata) > 1 || len(opts.Metadata) == 1 && !hasAttributes {
		return fmt.Errorf("file store: put %s: of metadata it keeps %s only", key, objstore.UserAttributes)
	}
	err = s.put(ctx, path, src, opts, attributes, hasAttributes)
	if err != nil && (ctx.Err() != nil || errors.Is(err, errFenced)) {
		return err
	}
	if err != nil {
		return s.failed("put", key, err)
	}
	return nil
}

var errFenced = errors.New("refused before it became visible")

func (s *Store) put(ctx context.Context, path string, src objstore.Source, opts objstore.PutOptions, attributes string, hasAttributes bool) error {
	folder := filepath.Dir(path)
	if opts.IfAbsent {
		// Cheaper than writing it first; what decides is the link below.
		if _, err := os.Lstat(path); err == nil {
			return fs.ErrExist
		}
	}
	if err := makeFolder(folder); err != nil {
		return err
	}
	content, err := temporary(ctx, folder, src)
	if err != nil {
		return err
	}
	defer os.Remove(content) // gone already when it was renamed
	meta := ""
	if hasAttributes {
		meta, err = temporary(ctx, folder, objstore.Bytes(attributes))
		if err != nil {
			return err
		}
		defer os.Remove(meta)
	}
	if err := opts.MayWrite(ctx); err != nil {
		return fmt.Errorf("%w: %w", errFenced, err)
	}
	unlock, err := lock(folder, true)
	if err != nil {
		return err
	}
	defer unlock()
	if opts.IfAbsent {
		if _, err := os.Lstat(path); err == nil {
			return fs.ErrExist
		}
	}
	// Attributes first: content without them would be decoded wrongly, they
	// alone mean nothing.
	if hasAttributes {
		err = os.Rename(meta, path+metaSuffix)
	} else if err = os.Remove(path + metaSuffix); errors.Is(err, fs.ErrNotExist) || isFolder(err) {
		err = nil
	}
	if err != nil {
		return err
	}
	if opts.IfAbsent {
		err = os.Link(content, path)
	}
	// Where there are no hard links, the lock and the look above decide.
	if !opts.IfAbsent || noLinks(err) {
		err = os.Rename(content, path)
	}
	if err != nil {
		return err
	}
	return syncFolder(folder)
}

// makeFolder makes the folder and those above it, so that a power cut after
// the put takes none of them away.
func makeFolder(folder string) error {
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(folder)
	if above != folder {
		if err := makeFolder(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(folder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(above)
}

// temporary writes the content to a synced file in the folder, readable as
// any file this user makes.
func temporary(ctx context.Context, folder string, src objstore.Source) (path string, err error) {
	r, err := src.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	f, err := create(folder)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	n, err := io.Copy(f, objstore.Ending(ctx, r))
	if err != nil {
		return "", err
	}
	if n != src.Size() {
		return "", fmt.Errorf("the source has %d bytes, it announced %d", n, src.Size())
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// create is os.CreateTemp with the modes that umask gives: other users of a
// shared datastore read what Metaflow writes, too.
func create(folder string) (*os.File, error) {
	for {
		name := filepath.Join(folder, tempPrefix+randomName())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !unsupported(err) {
		return err
	}
	return nil
}
