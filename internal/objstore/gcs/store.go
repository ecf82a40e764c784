package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

// Store is one bucket and prefix.
type Store struct {
	clients *Clients
	bucket  string
	prefix  string
}

var _ objstore.PartStore = (*Store)(nil)

// object checks a key and returns who asks for it.
func (s *Store) object(ctx context.Context, op, key string) (*client, error) {
	if err := objstore.CheckKey(key); err != nil {
		return nil, err
	}
	client, err := s.clients.get(ctx)
	if err != nil {
		return nil, s.failed(ctx, op, key, err)
	}
	return client, nil
}

// objects is the path of the bucket's objects in Google's JSON protocol.
func (s *Store) objects() string { return "/storage/v1/b/" + url.PathEscape(s.bucket) + "/o" }

func (s *Store) path(key string) string { return s.objects() + "/" + url.PathEscape(s.prefix+key) }

// resource is what the JSON protocol tells of an object.
type resource struct {
	Name     string            `json:"name"`
	Size     int64             `json:"size,string"`
	Updated  time.Time         `json:"updated"`
	Metadata map[string]string `json:"metadata"`
}

// Get implements objstore.Store. It takes the XML protocol, whose answers have
// an object's metadata with its content.
func (s *Store) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	client, err := s.object(ctx, "get", key)
	if err != nil {
		return err
	}
	if r.Length == 0 {
		return s.nothing(ctx, key, fn)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, client.base+"/"+s.bucket+"/"+url.PathEscape(s.prefix+key), http.NoBody)
	if err != nil {
		return fmt.Errorf("gs: get %s: %w", s.url(key), err)
	}
	if r != objstore.Whole {
		span := fmt.Sprintf("bytes=%d-", r.Offset)
		if r.Length > 0 {
			span += fmt.Sprint(r.Offset + r.Length - 1)
		}
		request.Header.Set("Range", span)
	}
	answer, err := client.do(request)
	if status(err) == http.StatusRequestedRangeNotSatisfiable {
		// Beyond the end there is nothing; whether there is an object has to
		// be asked.
		return s.nothing(ctx, key, fn)
	}
	if err != nil {
		return s.missing(ctx, "get", key, err)
	}
	defer answer.Body.Close()
	s.clients.know(s.bucket)
	return fn(described(key, answer), newBody(ctx, s, key, answer))
}

// nothing is a get of no bytes.
func (s *Store) nothing(ctx context.Context, key string, fn func(objstore.Info, io.Reader) error) error {
	info, err := s.Stat(ctx, key)
	if err != nil {
		return err
	}
	return fn(info, strings.NewReader(""))
}

// described reads what an answer's headers tell of its object.
func described(key string, answer *http.Response) objstore.Info {
	info := objstore.Info{Key: key, Size: answer.ContentLength}
	if _, total, ok := strings.Cut(answer.Header.Get("Content-Range"), "/"); ok {
		_, _ = fmt.Sscan(total, &info.Size)
	}
	info.Tag = answer.Header.Get("X-Goog-Generation")
	info.Modified, _ = http.ParseTime(answer.Header.Get("Last-Modified"))
	for name, values := range answer.Header {
		if name, ok := strings.CutPrefix(strings.ToLower(name), "x-goog-meta-"); ok {
			if info.Metadata == nil {
				info.Metadata = objstore.Metadata{}
			}
			info.Metadata[name] = values[0]
		}
	}
	return info
}

// Stat implements objstore.Store.
func (s *Store) Stat(ctx context.Context, key string) (objstore.Info, error) {
	client, err := s.object(ctx, "stat", key)
	if err != nil {
		return objstore.Info{}, err
	}
	var o resource
	if err := client.ask(ctx, http.MethodGet, s.path(key)+"?fields=size,updated,metadata", &o); err != nil {
		return objstore.Info{}, s.missing(ctx, "stat", key, err)
	}
	s.clients.know(s.bucket)
	return objstore.Info{Key: key, Size: o.Size, Modified: o.Updated, Metadata: o.Metadata}, nil
}

// missing is failed for requests whose 404 may mean the object or the bucket.
// Which of them, a listing says; that need be learnt only once.
func (s *Store) missing(ctx context.Context, op, key string, err error) error {
	if status(err) == http.StatusNotFound && !s.clients.known(s.bucket) {
		for _, listed := range s.List(ctx, "") {
			if errors.Is(listed, errNoBucket) {
				return s.failed(ctx, op, key, errNoBucket)
			}
			break
		}
		s.clients.know(s.bucket)
	}
	return s.failed(ctx, op, key, err)
}

// List implements objstore.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		client, err := s.clients.get(ctx)
		query := url.Values{"prefix": {s.prefix + prefix}, "fields": {"nextPageToken,items(name,size,updated)"}}
		for more := true; more; more = query.Get("pageToken") != "" {
			var page struct {
				Items         []resource
				NextPageToken string
			}
			if err == nil {
				err = client.ask(ctx, http.MethodGet, s.objects()+"?"+query.Encode(), &page)
			}
			if err != nil {
				yield(objstore.Info{}, s.absent(ctx, "list", prefix, err))
				return
			}
			for _, o := range page.Items {
				key := strings.TrimPrefix(o.Name, s.prefix)
				if objstore.CheckKey(key) != nil {
					continue // a folder mark of some console, not an object of ours
				}
				if !yield(objstore.Info{Key: key, Size: o.Size, Modified: o.Updated}, nil) {
					return
				}
			}
			query.Set("pageToken", page.NextPageToken)
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
	if err := client.ask(ctx, http.MethodDelete, s.path(key), nil); err != nil && status(err) != http.StatusNotFound {
		return s.failed(ctx, "delete", key, err)
	}
	return nil
}

func (c *Clients) know(bucket string) { c.exists.Store(bucket, true) }

func (c *Clients) known(bucket string) bool {
	_, ok := c.exists.Load(bucket)
	return ok
}
