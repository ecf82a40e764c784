package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

const (
	mostParts   = 10000
	partsAtOnce = 3
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

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	client, name, err := s.object(ctx, key)
	if err != nil {
		return err
	}
	for k, v := range opts.Metadata {
		if !headerSafe(k) || !headerSafe(v) {
			return fmt.Errorf("s3: put %s: metadata %q does not fit into a header", s.url(key), k)
		}
	}
	if src.Size() > s.clients.cfg.PartSize {
		return s.putParts(ctx, client, name, key, src, opts)
	}
	if err := fence(ctx, opts); err != nil {
		return err
	}
	r, err := src.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	content, err := seekable(r, src.Size())
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
	if err != nil {
		return s.failed(ctx, "put", key, err)
	}
	return nil
}

// seekable returns the source's reader, or a copy of its content: the SDK reads
// a body twice, to sign and to send it. A source that has not the size it
// announced would otherwise look like a broken connection.
func seekable(r io.Reader, announced int64) (io.ReadSeeker, error) {
	rs, ok := r.(io.ReadSeeker)
	if !ok {
		data, err := io.ReadAll(io.LimitReader(r, announced+1))
		if err != nil {
			return nil, fmt.Errorf("reading the source: %w", err)
		}
		rs = bytes.NewReader(data)
	}
	size, err := rs.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = rs.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}
	if size != announced {
		return nil, fmt.Errorf("the source has not the %d bytes it announced", announced)
	}
	return rs, nil
}

func headerSafe(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// putParts uploads in parts, each tried again by itself, and makes the object
// visible by one last request.
func (s *Store) putParts(ctx context.Context, client *s3.Client, name *string, key string, src objstore.Source, opts objstore.PutOptions) (err error) {
	create, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: name, Metadata: opts.Metadata,
		ServerSideEncryption: types.ServerSideEncryption(s.clients.cfg.Encryption),
	})
	if err != nil {
		return s.failed(ctx, "put", key, err)
	}
	defer func() {
		if err != nil {
			// Parts of a dead upload cost money until somebody removes them.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_, _ = client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: name, UploadId: create.UploadId})
		}
	}()
	up := &upload{store: s, client: client, name: name, key: key, id: create.UploadId}
	if err := up.send(ctx, src); err != nil {
		return err
	}
	if err := fence(ctx, opts); err != nil {
		return err
	}
	ctx, cancel := s.clients.writeContext(ctx)
	defer cancel()
	_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: name, UploadId: create.UploadId, IfNoneMatch: ifAbsent(opts),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: up.parts},
	})
	if err != nil {
		return s.failed(ctx, "put", key, err)
	}
	return nil
}

type upload struct {
	store  *Store
	client *s3.Client
	name   *string
	key    string
	id     *string

	mu    sync.Mutex
	parts []types.CompletedPart
}

func (u *upload) send(ctx context.Context, src objstore.Source) error {
	r, err := src.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	err = u.cut(ctx, r, src.Size(), group)
	// A part that failed is why the cutting ended, if both did.
	if sent := group.Wait(); sent != nil {
		return sent
	}
	if err != nil {
		return fmt.Errorf("s3: put %s: %w", u.store.url(u.key), err)
	}
	slices.SortFunc(u.parts, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
	return nil
}

// cut reads the source part by part and hands each to the group.
func (u *upload) cut(ctx context.Context, r io.Reader, total int64, group *errgroup.Group) error {
	size := max(u.store.clients.cfg.PartSize, (total+mostParts-1)/mostParts)
	for number, left := int32(1), total; left > 0; number++ {
		n := min(size, left)
		left -= n
		buffer, give, err := u.store.clients.buffer(ctx, n)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(r, buffer); err != nil {
			give()
			return fmt.Errorf("reading the source: %w", err)
		}
		group.Go(func() error {
			defer give()
			what := fmt.Sprintf("put part %d of %s", number, u.key)
			return u.store.retry(ctx, what, func() error { return u.part(ctx, number, buffer) })
		})
	}
	switch _, err := io.ReadFull(r, make([]byte, 1)); {
	case err == nil:
		return fmt.Errorf("the source has not the %d bytes it announced", total)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("reading the source: %w", err)
	}
	return nil
}

func (u *upload) part(ctx context.Context, number int32, data []byte) error {
	ctx, cancel := u.store.clients.writeContext(ctx)
	defer cancel()
	out, err := u.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.store.bucket, Key: u.name, UploadId: u.id, PartNumber: aws.Int32(number),
		Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
	})
	if err != nil {
		return u.store.failed(ctx, "put", u.key, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	// A checksum the SDK sent along has to be repeated at the end.
	u.parts = append(u.parts, types.CompletedPart{
		ETag: out.ETag, PartNumber: aws.Int32(number), ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
	})
	return nil
}

// buffer takes one of the part buffers, so that memory has a ceiling however
// many puts run.
func (c *Clients) buffer(ctx context.Context, size int64) (buffer []byte, give func(), err error) {
	select {
	case buffer = <-c.buffers:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if int64(cap(buffer)) < size {
		buffer = make([]byte, max(size, c.cfg.PartSize))
	}
	return buffer[:size], func() { c.buffers <- buffer }, nil
}
