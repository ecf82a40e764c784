package objstore

import (
	"context"
	"fmt"
	"io"
)

// Ending is r for as long as the context lasts, which ends a long copy.
func Ending(ctx context.Context, r io.Reader) io.Reader { return endingReader{ctx, r} }

type endingReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (e endingReader) Read(p []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.r.Read(p)
}

// ReadAll returns a whole object of at most limit bytes.
func ReadAll(ctx context.Context, store Store, key string, limit int64) ([]byte, Info, error) {
	var data []byte
	var info Info
	err := store.Get(ctx, key, Whole, func(i Info, r io.Reader) error {
		info = i
		if i.Size > limit {
			return fmt.Errorf("object %s has %d bytes, more than the %d that are read", key, i.Size, limit)
		}
		var err error
		data, err = io.ReadAll(io.LimitReader(r, limit+1))
		if err == nil && int64(len(data)) > limit {
			err = fmt.Errorf("object %s has more than the %d bytes that are read", key, limit)
		}
		return err
	})
	if err != nil {
		return nil, Info{}, err
	}
	return data, info, nil
}
