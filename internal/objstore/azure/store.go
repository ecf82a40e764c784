package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/trouble"
)

// Store is one container and prefix.
type Store struct {
	clients   *Clients
	container string
	prefix    string
}

var _ objstore.PartStore = (*Store)(nil)

// object checks a key and returns its client.
func (s *Store) object(ctx context.Context, op, key string) (*blockblob.Client, error) {
	if err := objstore.CheckKey(key); err != nil {
		return nil, err
	}
	if strings.ContainsRune(key, '\\') {
		return nil, fmt.Errorf("key %q holds a backslash, which Azure takes for a slash: %w", key, fs.ErrInvalid)
	}
	client, err := s.clients.get(s.container)
	if err != nil {
		return nil, s.failed(ctx, op, key, err)
	}
	return client.NewBlockBlobClient(s.prefix + key), nil
}

// Get implements objstore.Store.
func (s *Store) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	client, err := s.object(ctx, "get", key)
	if err != nil {
		return err
	}
	if r.Length == 0 {
		return s.nothing(ctx, key, fn)
	}
	span := blob.HTTPRange{Offset: r.Offset, Count: max(r.Length, 0)} // a count of 0 is to the end
	out, err := client.DownloadStream(ctx, &blob.DownloadStreamOptions{Range: span})
	if status(err) == 416 {
		// Beyond the end there is nothing; whether there is an object has to
		// be asked.
		return s.nothing(ctx, key, fn)
	}
	if err != nil {
		return s.failed(ctx, "get", key, err)
	}
	defer out.Body.Close()
	info := objstore.Info{Key: key, Size: value(out.ContentLength), Modified: value(out.LastModified), Metadata: spelled(out.Metadata), Tag: string(value(out.ETag))}
	if _, total, ok := strings.Cut(value(out.ContentRange), "/"); ok {
		_, _ = fmt.Sscan(total, &info.Size)
	}
	return fn(info, s.body(ctx, key, out.Body, value(out.ContentLength)))
}

// nothing is a get of no bytes.
func (s *Store) nothing(ctx context.Context, key string, fn func(objstore.Info, io.Reader) error) error {
	info, err := s.Stat(ctx, key)
	if err != nil {
		return err
	}
	return fn(info, strings.NewReader(""))
}

// body is the content of an object.
func (s *Store) body(ctx context.Context, key string, r io.Reader, left int64) io.Reader {
	return &trouble.Body{R: r, Left: left, Failed: func(err error) error { return s.failed(ctx, "get", key, err) }}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Azure takes names that are names in C#, too: Metaflow writes underscores
// there where it has hyphens elsewhere.

func spell(m objstore.Metadata) map[string]*string {
	out := make(map[string]*string, len(m))
	for k, v := range m {
		out[strings.ReplaceAll(k, "-", "_")] = &v
	}
	return out
}

func spelled(m map[string]*string) objstore.Metadata {
	if len(m) == 0 {
		return nil
	}
	out := make(objstore.Metadata, len(m))
	for k, v := range m {
		out[strings.ReplaceAll(strings.ToLower(k), "_", "-")] = value(v)
	}
	return out
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	client, err := s.object(ctx, "stat", key)
	if err != nil {
		return objstore.Info{}, err
	}
	out, err := client.GetProperties(ctx, nil)
	if err != nil {
		return objstore.Info{}, s.failed(ctx, "stat", key, err)
	}
	return objstore.Info{Key: key, Size: value(out.ContentLength), Modified: value(out.LastModified), Metadata: spelled(out.Metadata)}, nil
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		client, err := s.clients.get(s.container)
		if err != nil {
			yield(objstore.Info{}, s.failed(ctx, "list", prefix, err))
			return
		}
		full := s.prefix + prefix
		pages := client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &full, MaxResults: s.clients.cfg.pageSize()})
		for pages.More() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(objstore.Info{}, s.failed(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Segment.BlobItems {
				key := strings.TrimPrefix(value(o.Name), s.prefix)
				if objstore.CheckKey(key) != nil || o.Properties == nil {
					continue // a folder mark of some console, not an object of ours
				}
				info := objstore.Info{Key: key, Size: value(o.Properties.ContentLength), Modified: value(o.Properties.LastModified)}
				if !yield(info, nil) {
					return
				}
			}
		}
	}
}

// Delete implements objstore.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	client, err := s.object(ctx, "delete", key)
	if err != nil {
		return err
	}
	ctx, cancel := s.clients.writes().Context(ctx)
	defer cancel()
	if _, err = client.Delete(ctx, nil); err == nil {
		return nil
	}
	err = s.failed(ctx, "delete", key, err)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
