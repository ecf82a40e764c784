package tasksocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

// object is one item of a save, ready to be stored.
type object struct {
	item
	source objstore.Source
}

// save stores a batch: what is not final at a time, then what makes the
// attempt final, in order.
func (s *Server) save(ctx context.Context, store objstore.Store, items []item, overwrite bool) error {
	for _, i := range items {
		if err := s.cfg.Scope.mayWrite(i.Path); err != nil {
			return err
		}
	}
	objects, release, err := s.receive(items)
	defer release()
	if err != nil {
		return err
	}
	var final commit
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, o := range distinct(objects, overwrite) {
		if final.take(s.cfg.Scope, o) {
			continue
		}
		group.Go(func() error { return s.store(inner, store, o, overwrite) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.commit(ctx, store, final, overwrite)
}

// receive takes over the files of a batch. release closes them, also those
// taken before an error.
func (s *Server) receive(items []item) (objects []object, release func(), err error) {
	var files []*handed
	release = func() {
		for _, f := range files {
			f.release()
		}
	}
	for _, i := range items {
		if i.File == "" {
			objects = append(objects, object{i, objstore.Bytes(i.Data)})
			continue
		}
		f, err := s.take(i.File)
		if err != nil {
			return nil, release, fmt.Errorf("save %s: %w", i.Path, err)
		}
		files = append(files, f)
		objects = append(objects, object{i, f})
	}
	return objects, release, nil
}

// distinct leaves one object per path: the one that would be there had they
// been saved one after the other.
func distinct(objects []object, overwrite bool) []object {
	at := map[string]int{}
	var kept []object
	for _, o := range objects {
		i, again := at[o.Path]
		switch {
		case !again:
			at[o.Path] = len(kept)
			kept = append(kept, o)
		case overwrite:
			kept[i] = o
		}
	}
	return kept
}

func (s *Server) store(ctx context.Context, store objstore.Store, o object, overwrite bool) error {
	if !isContent(o.Path) {
		return s.put(ctx, store, o.Path, o.source, o.metadata(), overwrite)
	}
	source, release, err := s.content(o)
	if err != nil {
		return fmt.Errorf("save %s: %w", o.Path, err)
	}
	defer release()
	return s.cfg.Artifacts.Save(ctx, store, o.Path, source, o.isRaw(), s.fence)
}

// metadata is what is kept beside an object that is not content-addressed.
func (i item) metadata() objstore.Metadata {
	if isNull(i.Meta) {
		return nil
	}
	return objstore.Metadata{objstore.UserAttributes: string(i.Meta)}
}

// put writes a plain object. Without overwrite, one that is there already is
// left as it is, which is no error in Metaflow.
func (s *Server) put(ctx context.Context, store objstore.Store, key string, src objstore.Source, md objstore.Metadata, overwrite bool) error {
	if _, own := s.cfg.Scope.own(key); own && s.cfg.Scope.Parameters {
		overwrite = false
	}
	err := store.Put(ctx, key, src, objstore.PutOptions{IfAbsent: !overwrite, Metadata: md, Fence: s.fence})
	if !overwrite && errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
