package file

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/objstore"
)

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		// Only the folder named by the prefix is read, not the whole root.
		folder := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			folder = prefix[:i]
			if objstore.CheckKey(folder) != nil {
				return // no key starts like this
			}
		}
		w := walker{ctx: ctx, store: s, prefix: prefix, yield: yield}
		w.walk(folder)
	}
}

type walker struct {
	ctx    context.Context
	store  *Store
	prefix string
	yield  func(objstore.Info, error) bool
}

// walk yields what lies below the folder, in the order of whole keys, and says
// whether to go on.
func (w *walker) walk(folder string) bool {
	if w.ctx.Err() != nil {
		w.yield(objstore.Info{}, context.Cause(w.ctx))
		return false
	}
	entries, err := os.ReadDir(filepath.Join(w.store.root, filepath.FromSlash(folder)))
	if errors.Is(err, fs.ErrNotExist) || notAFolder(err) {
		return true
	}
	if err != nil {
		w.yield(objstore.Info{}, w.store.failed("list", folder, err))
		return false
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name()] = !e.IsDir()
	}
	// A folder's keys all go on with a slash: sorted by that, files and
	// folders come in the order of their keys.
	order := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(order(a), order(b)) })
	for _, e := range entries {
		key := e.Name()
		if folder != "" {
			key = folder + "/" + key
		}
		if !w.entry(key, e, names) {
			return false
		}
	}
	return true
}

func (w *walker) entry(key string, e fs.DirEntry, names map[string]bool) bool {
	name := e.Name()
	if e.IsDir() {
		below := key + "/"
		if strings.HasPrefix(below, w.prefix) || strings.HasPrefix(w.prefix, below) {
			return w.walk(key)
		}
		return true
	}
	if !strings.HasPrefix(key, w.prefix) || strings.HasPrefix(name, tempPrefix) {
		return true
	}
	if of, isMeta := strings.CutSuffix(name, metaSuffix); isMeta && names[of] {
		return true
	}
	st, err := os.Stat(filepath.Join(w.store.root, filepath.FromSlash(key)))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
		return true
	}
	if err != nil {
		w.yield(objstore.Info{}, w.store.failed("list", key, err))
		return false
	}
	return w.yield(objstore.Info{Key: key, Size: st.Size(), Modified: st.ModTime()}, nil)
}
