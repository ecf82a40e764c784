package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/trouble"
)

// Store is one bucket and prefix.
type Store struct {
	clients *Clients
	bucket  string
	prefix  string
}

var _ objstore.PartStore = (*Store)(nil)

// object checks a key and returns its name in the bucket.
func (s *Store) object(ctx context.Context, key string) (*s3.Client, *string, error) {
	if err := objstore.CheckKey(key); err != nil {
		return nil, nil, err
	}
	client, err := s.clients.get(ctx)
	return client, aws.String(s.prefix + key), err
}

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	client, name, err := s.object(ctx, key)
	if err != nil {
		return err
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: name}
	if r.Length == 0 {
		info, err := s.Stat(ctx, key)
		if err != nil {
			return err
		}
		return fn(info, strings.NewReader(""))
	}
	if r != objstore.Whole {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.Offset))
		if r.Length > 0 {
			*in.Range += fmt.Sprint(r.Offset + r.Length - 1)
		}
	}
	out, err := client.GetObject(ctx, in)
	if hasStatus(err, 416) {
		// Beyond the end there is nothing; whether there is an object has to
		// be asked.
		info, err := s.Stat(ctx, key)
		if err != nil {
			return err
		}
		return fn(info, strings.NewReader(""))
	}
	if err != nil {
		return s.failed(ctx, "get", key, err)
	}
	defer out.Body.Close()
	info := objstore.Info{
		Key: key, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), Metadata: metadata(out.Metadata),
		Tag: aws.ToString(out.ETag),
	}
	if out.ContentRange != nil {
		if _, total, ok := strings.Cut(*out.ContentRange, "/"); ok {
			_, _ = fmt.Sscan(total, &info.Size)
		}
	}
	return fn(info, s.body(ctx, key, out.Body, aws.ToInt64(out.ContentLength)))
}

// body is the content of an object.
func (s *Store) body(ctx context.Context, key string, r io.Reader, left int64) io.Reader {
	return &trouble.Body{R: r, Left: left, Failed: func(err error) error { return s.failed(ctx, "get", key, err) }}
}

// metadata takes over what the server knows; S3 keeps names in lower case.
func metadata(m map[string]string) objstore.Metadata {
	if len(m) == 0 {
		return nil
	}
	out := make(objstore.Metadata, len(m))
	for k, v := range m {
		out[strings.ToLower(k)] = v
	}
	return out
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	client, name, err := s.object(ctx, key)
	if err != nil {
		return objstore.Info{}, err
	}
	out, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: name})
	if err != nil {
		// The answer to HEAD has no body, so it does not say why. A GET does.
		// That the bucket is there need be learnt only once.
		if status(err) != 404 || !s.clients.known(s.bucket) {
			if told := s.why(ctx, client, name); told != nil {
				err = told
			}
		}
		err = s.failed(ctx, "stat", key, err)
		if errors.Is(err, fs.ErrNotExist) {
			s.clients.know(s.bucket)
		}
		return objstore.Info{}, err
	}
	s.clients.know(s.bucket)
	return objstore.Info{
		Key: key, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), Metadata: metadata(out.Metadata),
	}, nil
}

func (s *Store) why(ctx context.Context, client *s3.Client, name *string) error {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: name, Range: aws.String("bytes=0-0")})
	if err == nil {
		out.Body.Close()
	}
	return err
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		client, err := s.clients.get(ctx)
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(objstore.Info{}, s.failed(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(o.Key), s.prefix)
				if objstore.CheckKey(key) != nil {
					continue // a folder mark of some console, not an object of ours
				}
				if !yield(objstore.Info{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	client, name, err := s.object(ctx, key)
	if err != nil {
		return err
	}
	ctx, cancel := s.clients.writes().Context(ctx)
	defer cancel()
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: name})
	if err == nil {
		return nil
	}
	err = s.failed(ctx, "delete", key, err)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
