package retry

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/objstore"
)

var _ objstore.PartStore = (*Store)(nil)

// Begin implements objstore.PartStore. A try whose answer is lost may leave an
// empty upload behind at the server.
func (s *Store) Begin(ctx context.Context, key string, most int64, opts objstore.PutOptions) (objstore.Upload, error) {
	var u objstore.Upload
	err := s.retrier.Do(ctx, "begin to put "+key, func() error {
		var err error
		u, err = objstore.Begin(ctx, s.next, key, most, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return upload{u, s.retrier, key}, nil
}

// upload tries each request by itself.
type upload struct {
	objstore.Upload
	retrier *Retrier
	key     string
}

func (u upload) Part(ctx context.Context, number int, content objstore.Source) error {
	return u.retrier.Do(ctx, fmt.Sprintf("put part %d of %s", number+1, u.key), func() error {
		return u.Upload.Part(ctx, number, content)
	})
}

func (u upload) Complete(ctx context.Context, size int64, opts objstore.PutOptions) error {
	return u.retrier.Do(ctx, "complete "+u.key, func() error { return u.Upload.Complete(ctx, size, opts) })
}
