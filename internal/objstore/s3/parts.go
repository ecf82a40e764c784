package s3

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/internal/objstore"
)

const mostParts = 10000

// Begin implements objstore.PartStore.
func (s *Store) Begin(ctx context.Context, key string, most int64, opts objstore.PutOptions) (objstore.Upload, error) {
	client, name, err := s.object(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := s.checkMetadata(key, opts); err != nil {
		return nil, err
	}
	ctx, cancel := s.clients.writes().Context(ctx)
	defer cancel()
	out, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: name, Metadata: opts.Metadata,
		ServerSideEncryption: types.ServerSideEncryption(s.clients.cfg.Encryption),
	})
	if err != nil {
		return nil, s.failed(ctx, "put", key, err)
	}
	return &upload{
		store: s, name: name, key: key, id: out.UploadId,
		size: max(s.clients.cfg.PartSize, (most+mostParts-1)/mostParts), parts: map[int32]types.CompletedPart{},
	}, nil
}

type upload struct {
	store *Store
	name  *string
	key   string
	id    *string
	size  int64

	mu    sync.Mutex
	parts map[int32]types.CompletedPart
}

func (u *upload) PartSize() int64 { return u.size }

func (u *upload) AtOnce() int { return 0 }

// Part implements objstore.Upload. It may take as long as bytes move: what a
// part sends late nobody sees.
func (u *upload) Part(ctx context.Context, number int, content objstore.Source) error {
	r, err := content.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	body, err := objstore.Seekable(r, content.Size())
	if err != nil {
		return fmt.Errorf("s3: put %s: %w", u.store.url(u.key), err)
	}
	client, err := u.store.clients.get(ctx)
	if err != nil {
		return err
	}
	n := int32(number) + 1
	out, err := client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.store.bucket, Key: u.name, UploadId: u.id, PartNumber: &n,
		Body: body, ContentLength: aws.Int64(content.Size()),
	})
	if err != nil {
		return u.store.failed(ctx, "put", u.key, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	// A checksum the SDK sent along has to be repeated at the end.
	u.parts[n] = types.CompletedPart{ETag: out.ETag, PartNumber: &n, ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC64NVME: out.ChecksumCRC64NVME}
	return nil
}

// sent lists the parts in their order.
func (u *upload) sent() []types.CompletedPart {
	u.mu.Lock()
	defer u.mu.Unlock()
	var parts []types.CompletedPart
	for _, p := range u.parts {
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
	return parts
}

// Complete implements objstore.Upload.
func (u *upload) Complete(ctx context.Context, _ int64, opts objstore.PutOptions) error {
	if err := opts.MayWrite(ctx); err != nil {
		return err
	}
	ctx, cancel := u.store.clients.writes().Context(ctx)
	defer cancel()
	client, err := u.store.clients.get(ctx)
	if err != nil {
		return err
	}
	parts := u.sent()
	_, err = client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.store.bucket, Key: u.name, UploadId: u.id, IfNoneMatch: ifAbsent(opts),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err == nil {
		return nil
	}
	err = u.store.failed(ctx, "put", u.key, err)
	if errors.Is(err, objstore.ErrUploadGone) && u.completed(ctx, client, parts) {
		return nil // an earlier try did it, and its answer was lost
	}
	return err
}

// completed says whether the object is what the parts make: the tag of an
// object in parts is the digest of theirs.
func (u *upload) completed(ctx context.Context, client *s3.Client, parts []types.CompletedPart) bool {
	var digests []byte
	for _, p := range parts {
		digest, err := hex.DecodeString(strings.Trim(aws.ToString(p.ETag), `"`))
		if err != nil {
			return false
		}
		digests = append(digests, digest...)
	}
	out, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.store.bucket, Key: u.name})
	sum := md5.Sum(digests)
	return err == nil && strings.Trim(aws.ToString(out.ETag), `"`) == fmt.Sprintf("%x-%d", sum, len(parts))
}

// Abort implements objstore.Upload.
func (u *upload) Abort(ctx context.Context) error {
	client, err := u.store.clients.get(ctx)
	if err != nil {
		return err
	}
	_, err = client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.store.bucket, Key: u.name, UploadId: u.id})
	if err != nil {
		return u.store.failed(ctx, "abort the put of", u.key, err)
	}
	return nil
}
