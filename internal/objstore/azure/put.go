package azure

import (
	"context"
	"fmt"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/millrace/millrace/internal/objstore"
)

func ifAbsent(opts objstore.PutOptions) *blob.AccessConditions {
	if !opts.IfAbsent {
		return nil
	}
	any := azcore.ETagAny
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &any}}
}

// Put implements objstore.Store. It is one request, however large: package
// transfer sends what is big in parts.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	client, err := s.object(ctx, "put", key)
	if err != nil {
		return err
	}
	if err := opts.MayWrite(ctx); err != nil {
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
	ctx, cancel := s.clients.writes().Context(ctx)
	defer cancel()
	_, err = client.Upload(ctx, unclosed{content}, &blockblob.UploadOptions{Metadata: spell(opts.Metadata), AccessConditions: ifAbsent(opts)})
	if err == nil {
		return nil
	}
	if slow := s.clients.writes().TooSlow(ctx, src.Size()); slow != nil {
		return fmt.Errorf("azure: put %s: %w", s.url(key), slow)
	}
	return s.failed(ctx, "put", key, err)
}

// unclosed leaves the closing to whom it belongs.
type unclosed struct{ io.ReadSeeker }

func (unclosed) Close() error { return nil }
