package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/objstore"
)

// Begin implements objstore.PartStore by a resumable upload, whose parts come
// one after the other: https://cloud.google.com/storage/docs/performing-resumable-uploads.
// Google takes parts in any order, too, but no condition with them.
//
//	Part 0 ──> Part 1 ──> … ──> the last, but for its end ──> Complete: the end
//	                                                          and the checksum
//
// The object is there as soon as the server has its last byte, so that one is
// kept back. Conditions and metadata are told at the beginning and count at the
// end.
func (s *Store) Begin(ctx context.Context, key string, size int64, opts objstore.PutOptions) (objstore.Upload, error) {
	client, err := s.object(ctx, "put", key)
	if err != nil {
		return nil, err
	}
	about, err := json.Marshal(map[string]any{"contentType": contentType, "metadata": opts.Metadata})
	if err != nil {
		return nil, fmt.Errorf("gs: put %s: %w", s.url(key), err)
	}
	ctx, cancel := s.clients.writes().Context(ctx)
	defer cancel()
	address := s.upload(client.base, "resumable", url.Values{"name": {s.prefix + key}}, opts)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(about))
	if err != nil {
		return nil, fmt.Errorf("gs: put %s: %w", s.url(key), err)
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("X-Upload-Content-Type", contentType)
	request.Header.Set("X-Upload-Content-Length", strconv.FormatInt(size, 10))
	answer, err := client.do(request)
	if err != nil {
		return nil, s.absent(ctx, "put", key, err)
	}
	answer.Body.Close()
	u := &upload{store: s, client: client, key: key, total: size, uri: answer.Header.Get("Location"), sum: newChecksum()}
	if u.uri == "" {
		return nil, fmt.Errorf("gs: put %s: the server opened no upload: %s", s.url(key), answer.Status)
	}
	return u, nil
}

type upload struct {
	store  *Store
	client *client
	key    string
	total  int64
	uri    string

	mu sync.Mutex
	// summed are the parts that sum is of, sent those bytes the server has
	// said to have.
	summed int
	sum    hash.Hash32
	sent   int64
	// unsure is set while the last request's answer is not known.
	unsure bool
	end    []byte
}

func (u *upload) PartSize() int64 { return u.store.clients.cfg.PartSize }

func (u *upload) AtOnce() int { return 1 }

// Part implements objstore.Upload. It may take as long as bytes move: what a
// part sends late nobody sees.
func (u *upload) Part(ctx context.Context, number int, content objstore.Source) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	r, err := content.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	body, err := objstore.Seekable(r, content.Size())
	if err == nil {
		err = u.read(number, body, content.Size())
	}
	if err != nil {
		return fmt.Errorf("gs: put %s: %w", u.store.url(u.key), err)
	}
	if err := u.ask(ctx); err != nil {
		return err
	}
	offset := int64(number) * u.PartSize()
	until := min(offset+content.Size(), u.total-int64(len(u.end)))
	if u.sent < offset {
		return fmt.Errorf("gs: put %s: the server lost bytes: %w", u.store.url(u.key), objstore.ErrUploadGone)
	}
	for u.sent < until {
		before := u.sent
		if _, err := body.Seek(u.sent-offset, io.SeekStart); err != nil {
			return fmt.Errorf("gs: put %s: reading the source: %w", u.store.url(u.key), err)
		}
		span := fmt.Sprintf("bytes %d-%d/%d", u.sent, until-1, u.total)
		if err := u.put(ctx, span, io.LimitReader(body, until-u.sent), until-u.sent); err != nil {
			return err
		}
		if u.sent <= before {
			return fmt.Errorf("gs: put %s: the server took nothing of a part: %w", u.store.url(u.key), objstore.ErrTransient)
		}
	}
	return nil
}

// read sums a part up, the first time it is sent, and keeps the object's end.
func (u *upload) read(number int, body io.ReadSeeker, size int64) error {
	if number < u.summed {
		return nil
	}
	if number > u.summed {
		return fmt.Errorf("part %d comes before part %d", number, u.summed)
	}
	if _, err := io.Copy(u.sum, body); err != nil {
		return fmt.Errorf("reading the source: %w", err)
	}
	if int64(number)*u.PartSize()+size == u.total {
		end := (size-1)%pieces + 1
		u.end = make([]byte, end)
		if _, err := body.Seek(-end, io.SeekEnd); err != nil {
			return fmt.Errorf("reading the source: %w", err)
		}
		if _, err := io.ReadFull(body, u.end); err != nil {
			return fmt.Errorf("reading the source: %w", err)
		}
	}
	u.summed++
	return nil
}

// ask learns what the server has of a request whose answer was lost.
func (u *upload) ask(ctx context.Context) error {
	if !u.unsure {
		return nil
	}
	return u.put(ctx, fmt.Sprintf("bytes */%d", u.total), http.NoBody, 0)
}

// Complete implements objstore.Upload.
func (u *upload) Complete(ctx context.Context, opts objstore.PutOptions) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := opts.MayWrite(ctx); err != nil {
		return err
	}
	ctx, cancel := u.store.clients.writes().Context(ctx)
	defer cancel()
	if err := u.ask(ctx); err != nil || u.sent == u.total {
		return err // an earlier try did it, and its answer was lost
	}
	span := fmt.Sprintf("bytes %d-%d/%d", u.total-int64(len(u.end)), u.total-1, u.total)
	if err := u.put(ctx, span, bytes.NewReader(u.end), int64(len(u.end))); err != nil {
		return err
	}
	if u.sent != u.total {
		return fmt.Errorf("gs: put %s: the server did not take the end: %w", u.store.url(u.key), objstore.ErrTransient)
	}
	return nil
}

// put sends bytes, or none to ask only, and learns how many the server has. All
// of them means that the object is there.
func (u *upload) put(ctx context.Context, span string, data io.Reader, size int64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, u.uri, data)
	if err != nil {
		return fmt.Errorf("gs: put %s: %w", u.store.url(u.key), err)
	}
	request.ContentLength = size
	request.Header.Set("Content-Range", span)
	if strings.HasSuffix(span, fmt.Sprintf("-%d/%d", u.total-1, u.total)) {
		request.Header.Set("X-Goog-Hash", "crc32c="+encoded(u.sum))
	}
	u.unsure = true
	// "Go on" is a 308, which to others is a redirect.
	answer, err := u.client.do(request, http.StatusPermanentRedirect)
	switch code := status(err); {
	case code == http.StatusNotFound, code == http.StatusGone:
		return fmt.Errorf("gs: put %s: HTTP %d: %w", u.store.url(u.key), code, objstore.ErrUploadGone)
	case err != nil:
		return u.store.failed(ctx, "put", u.key, err)
	}
	defer answer.Body.Close()
	// Read to its end, the connection can be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	u.unsure, u.sent = false, u.total
	if answer.StatusCode == http.StatusPermanentRedirect {
		u.sent, err = received(answer.Header.Get("Range"))
	}
	return err
}

// received reads the answer's range, as "bytes=0-41"; there is none when
// nothing has arrived.
func received(span string) (int64, error) {
	if span == "" {
		return 0, nil
	}
	_, last, _ := strings.Cut(span, "-")
	n, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("gs: the server says of an upload that it has %q: %w", span, err)
	}
	return n + 1, nil
}

// Abort implements objstore.Upload. The server says 499 to it.
func (u *upload) Abort(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, u.uri, http.NoBody)
	if err != nil {
		return fmt.Errorf("gs: abort the put of %s: %w", u.store.url(u.key), err)
	}
	answer, err := u.client.do(request, 499)
	if err != nil {
		return u.store.failed(ctx, "abort the put of", u.key, err)
	}
	return errors.Join(answer.Body.Close())
}
