package gcs

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/millrace/millrace/internal/objstore"
)

const contentType = "application/octet-stream"

// errWriteTimeout is the cause when one write request took too long.
var errWriteTimeout = errors.New("the write request took longer than a lost lease is kept free for")

func (c *Clients) writeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.cfg.WriteTimeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, c.cfg.WriteTimeout, errWriteTimeout)
}

// fence asks whether content may still be made visible.
func fence(ctx context.Context, opts objstore.PutOptions) error {
	if opts.Fence == nil {
		return nil
	}
	return opts.Fence(ctx)
}

// upload is the URL that takes a new object in one of the ways of the protocol.
func (s *Store) upload(base, way string, query url.Values, opts objstore.PutOptions) string {
	query.Set("uploadType", way)
	query.Set("fields", "size")
	if opts.IfAbsent {
		query.Set("ifGenerationMatch", "0")
	}
	return base + "/upload" + s.objects() + "?" + query.Encode()
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
		return fmt.Errorf("gs: put %s: %w", s.url(key), err)
	}
	ctx, cancel := s.clients.writeContext(ctx)
	defer cancel()
	request, err := s.whole(ctx, client.base, key, content, src.Size(), opts)
	if err != nil {
		return fmt.Errorf("gs: put %s: %w", s.url(key), err)
	}
	answer, err := client.do(request)
	switch {
	case err == nil:
		return answer.Body.Close()
	case src.Size() >= inPartsFrom && errors.Is(context.Cause(ctx), errWriteTimeout):
		return fmt.Errorf("gs: put %s: its %d bytes did not go through within %s: %w",
			s.url(key), src.Size(), s.clients.cfg.WriteTimeout, objstore.ErrTooSlow)
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
