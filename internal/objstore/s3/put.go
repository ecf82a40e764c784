package s3

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/millrace/millrace/internal/objstore"
)

func ifAbsent(opts objstore.PutOptions) *string {
	if opts.IfAbsent {
		return aws.String("*")
	}
	return nil
}

// Put implements objstore.Store. It is one request, however large: package
// transfer sends what is big in parts.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	client, name, err := s.object(ctx, key)
	if err != nil {
		return err
	}
	if err := s.checkMetadata(key, opts); err != nil {
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
		return fmt.Errorf("s3: put %s: %w", s.url(key), err)
	}
	ctx, cancel := s.clients.writes().Context(ctx)
	defer cancel()
	_, err = client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: name, Body: content, ContentLength: aws.Int64(src.Size()),
		IfNoneMatch: ifAbsent(opts), Metadata: opts.Metadata,
		ServerSideEncryption: types.ServerSideEncryption(s.clients.cfg.Encryption),
	})
	if err == nil {
		return nil
	}
	if slow := s.clients.writes().TooSlow(ctx, src.Size()); slow != nil {
		return fmt.Errorf("s3: put %s: %w", s.url(key), slow)
	}
	return s.failed(ctx, "put", key, err)
}

func (s *Store) checkMetadata(key string, opts objstore.PutOptions) error {
	for k, v := range opts.Metadata {
		if !headerSafe(k) || !headerSafe(v) {
			return fmt.Errorf("s3: put %s: metadata %q does not fit into a header", s.url(key), k)
		}
	}
	return nil
}

func headerSafe(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
