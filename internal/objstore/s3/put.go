package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
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

func ifAbsent(opts objstore.PutOptions) *string {
	if opts.IfAbsent {
		return aws.String("*")
	}
	return nil
}

func fence(ctx context.Context, opts objstore.PutOptions) error {
	if opts.Fence == nil {
		return nil
	}
	return opts.Fence(ctx)
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
		return fmt.Errorf("s3: put %s: %w", s.url(key), err)
	}
	ctx, cancel := s.clients.writeContext(ctx)
	defer cancel()
	_, err = client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: name, Body: content, ContentLength: aws.Int64(src.Size()),
		IfNoneMatch: ifAbsent(opts), Metadata: opts.Metadata,
		ServerSideEncryption: types.ServerSideEncryption(s.clients.cfg.Encryption),
	})
	switch {
	case err == nil:
		return nil
	case src.Size() >= inPartsFrom && errors.Is(context.Cause(ctx), errWriteTimeout):
		return fmt.Errorf("s3: put %s: its %d bytes did not go through within %s: %w",
			s.url(key), src.Size(), s.clients.cfg.WriteTimeout, objstore.ErrTooSlow)
	}
	return s.failed(ctx, "put", key, err)
}

// inPartsFrom is the size from which a put that takes too long is better done
// in parts; a smaller one waits for the server, not for the line.
const inPartsFrom = 1 << 20

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
