package azure

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/millrace/millrace/internal/objstore"
)

// errWriteTimeout is the cause when one write request took too long.
var errWriteTimeout = errors.New("the write request took longer than a lost lease is kept free for")

func (c *Clients) writeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.cfg.WriteTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, c.cfg.WriteTimeout, errWriteTimeout)
}

func ifAbsent(opts objstore.PutOptions) *blob.AccessConditions {
	if !opts.IfAbsent {
		return nil
	}
	any := azcore.ETagAny
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &any}}
}

func fence(ctx context.Context, opts objstore.PutOptions) error {
	if opts.Fence == nil {
		return nil
	}
	return opts.Fence(ctx)
}

// inPartsFrom is the size from which a put that takes too long is better done
// in parts; a smaller one waits for the server, not for the line.
const inPartsFrom = 1 << 20

// Put implements objstore.Store. It is one request, however large: package
// transfer sends what is big in parts.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	client, err := s.object(ctx, "put", key)
	if err != nil {
		return err
	}
	if err := fence(ctx, opts); err != nil {
		return err
	}
	r, err := src.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	content, err := objstore.Seekable(r, src.Size())
	if err != nil {
		return fmt.Errorf("azure: put %s: %w", s.url(key), err)
	}
	ctx, cancel := s.clients.writeContext(ctx)
	defer cancel()
	_, err = client.Upload(ctx, unclosed{content}, &blockblob.UploadOptions{Metadata: spell(opts.Metadata), AccessConditions: ifAbsent(opts)})
	switch {
	case err == nil:
		return nil
	case src.Size() >= inPartsFrom && errors.Is(context.Cause(ctx), errWriteTimeout):
		return fmt.Errorf("azure: put %s: its %d bytes did not go through within %s: %w",
			s.url(key), src.Size(), s.clients.cfg.WriteTimeout, objstore.ErrTooSlow)
	}
	return s.failed(ctx, "put", key, err)
}

// unclosed leaves the closing to whom it belongs.
type unclosed struct{ io.ReadSeeker }

func (unclosed) Close() error { return nil }
