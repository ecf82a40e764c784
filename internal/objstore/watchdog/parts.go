package watchdog

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/objstore"
)

var _ objstore.PartStore = (*Store)(nil)

// Begin implements objstore.PartStore. Each request of the upload is watched
// by itself.
func (s *Store) Begin(ctx context.Context, key string, most int64, opts objstore.PutOptions) (objstore.Upload, error) {
	inner, w := s.watch(ctx)
	u, err := objstore.Begin(inner, s.next, key, most, opts)
	if err = w.end(inner, "begin to put "+key, err); err != nil {
		return nil, err
	}
	return upload{u, s, key}, nil
}

type upload struct {
	objstore.Upload
	store *Store
	key   string
}

func (u upload) Part(ctx context.Context, number int, content objstore.Source) error {
	ctx, w := u.store.watch(ctx)
	return w.end(ctx, fmt.Sprintf("put part %d of %s", number+1, u.key), u.Upload.Part(ctx, number, source{content, w}))
}

func (u upload) Complete(ctx context.Context, size int64, opts objstore.PutOptions) error {
	ctx, w := u.store.watch(ctx)
	opts.Fence = w.unwatched(opts.Fence)
	return w.end(ctx, "complete "+u.key, u.Upload.Complete(ctx, size, opts))
}
