package limit

import (
	"context"

	"github.com/millrace/millrace/internal/objstore"
)

var _ objstore.PartStore = (*Store)(nil)

// Begin implements objstore.PartStore. Each request of the upload takes a
// token of its own, between them it holds none.
func (s *Store) Begin(ctx context.Context, key string, most int64, opts objstore.PutOptions) (objstore.Upload, error) {
	if err := s.tokens.take(ctx); err != nil {
		return nil, err
	}
	defer s.tokens.put()
	u, err := objstore.Begin(ctx, s.next, key, most, opts)
	if err != nil {
		return nil, err
	}
	return upload{u, s.tokens}, nil
}

type upload struct {
	objstore.Upload
	tokens Tokens
}

func (u upload) Part(ctx context.Context, number int, content objstore.Source) error {
	if err := u.tokens.take(ctx); err != nil {
		return err
	}
	defer u.tokens.put()
	return u.Upload.Part(ctx, number, content)
}

func (u upload) Complete(ctx context.Context, size int64, opts objstore.PutOptions) error {
	if err := u.tokens.take(ctx); err != nil {
		return err
	}
	defer u.tokens.put()
	return u.Upload.Complete(ctx, size, opts)
}
