package gcs

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/millrace/millrace/internal/objstore"
)

const contentType = "application/octet-stream"

// upload is the URL that takes a new object in one of the ways of the protocol.
func (s *Store) upload(base, way string, query url.Values, opts objstore.PutOptions) string {
	query.Set("uploadType", way)
	query.Set("fields", "size")
	if opts.IfAbsent {
		query.Set("ifGenerationMatch", "0")
	}
	return base + "/upload" + s.objects() + "?" + query.Encode()
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
		return fmt.Errorf("gs: put %s: %w", s.url(key), err)
	}
	ctx, cancel := s.clients.writes().Context(ctx)
	defer cancel()
	request, err := s.whole(ctx, client.base, key, content, src.Size(), opts)
	if err != nil {
		return fmt.Errorf("gs: put %s: %w", s.url(key), err)
	}
	answer, err := client.do(request)
	if err == nil {
		return answer.Body.Close()
	}
	if slow := s.clients.writes().TooSlow(ctx, src.Size()); slow != nil {
		return fmt.Errorf("gs: put %s: %w", s.url(key), slow)
	}
	return s.absent(ctx, "put", key, err)
}

// whole is the request that brings an object with its metadata: a body of two
// parts. The server compares the content with the checksum told before.
func (s *Store) whole(ctx context.Context, base, key string, content io.ReadSeeker, size int64, opts objstore.PutOptions) (*http.Request, error) {
	sum := newChecksum()
	if _, err := io.Copy(sum, content); err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}
	about, err := json.Marshal(map[string]any{
		"name": s.prefix + key, "contentType": contentType, "metadata": opts.Metadata, "crc32c": encoded(sum),
	})
	if err != nil {
		return nil, err
	}
	boundary := rand.Text()
	head := "--" + boundary + "\r\nContent-Type: application/json; charset=utf-8\r\n\r\n" + string(about) +
		"\r\n--" + boundary + "\r\nContent-Type: " + contentType + "\r\n\r\n"
	tail := "\r\n--" + boundary + "--\r\n"
	body := io.MultiReader(bytes.NewReader([]byte(head)), content, bytes.NewReader([]byte(tail)))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.upload(base, "multipart", url.Values{}, opts), body)
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(head)) + size + int64(len(tail))
	request.Header.Set("Content-Type", "multipart/related; boundary="+boundary)
	return request, nil
}
