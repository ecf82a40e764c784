package tasksocket

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

// delete removes objects, and with below also what lies under their names as
// under folders. What is not there is no error.
func (s *Server) delete(ctx context.Context, store objstore.Store, paths []string, below bool) error {
	for _, p := range paths {
		if err := s.cfg.Scope.mayDelete(p); err != nil {
			return err
		}
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	remove := func(key string) {
		group.Go(func() error {
			if err := s.fence(inner); err != nil {
				return err
			}
			return store.Delete(inner, key)
		})
	}
	var listed error
	for _, p := range paths {
		remove(p)
		if !below {
			continue
		}
		for info, err := range store.List(inner, p+"/") {
			if err != nil {
				listed = err
				break
			}
			remove(info.Key)
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return listed
}

// mayDelete refuses what the flow's runs are made of: other tasks may have
// read it, or will.
func (s Scope) mayDelete(path string) error {
	if err := objstore.CheckKey(path); err != nil {
		return err
	}
	if path == s.Flow || strings.HasPrefix(path, s.Flow+"/") {
		return foreignError{fmt.Errorf("%s belongs to the runs of %s, of which a task deletes nothing", path, s.Flow)}
	}
	return nil
}
