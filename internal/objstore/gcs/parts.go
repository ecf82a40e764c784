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
//	Part 0, but   ──> its end and  ──> … ──> the end of the last one and the
//	for its end       Part 1, but …          checksum of all: Complete
//
// The object is there as soon as the server has its last byte, and which part
// is the last is not known before Complete: the end of each is kept back.
// Conditions and metadata are told at the beginning and count at the end.
func (s *Store) Begin(ctx context.Context, key string, _ int64, opts objstore.PutOptions) (objstore.Upload, error) {
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
	answer, err := client.do(request)
	if err != nil {
		return nil, s.absent(ctx, "put", key, err)
	}
	answer.Body.Close()
	u := &upload{store: s, key: key, uri: answer.Header.Get("Location"), sum: newChecksum()}
	if u.uri == "" {
		return nil, fmt.Errorf("gs: put %s: the server opened no upload: %s", s.url(key), answer.Status)
	}
	return u, nil
}

type upload struct {
	store *Store
	key   string
	uri   string

	mu sync.Mutex
	// summed are the parts that sum is of, sent those bytes the server has
	// said to have.
	summed int
	sum    hash.Hash32
	sent   int64
	// unsure is set while the last request's answer is not known.
	unsure bool
	// end is that of the last part summed up, before that of the one before.
	before, end []byte
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
	if err := u.ask(ctx, unknown); err != nil {
		return err
	}
	offset := int64(number) * u.PartSize()
	until := offset + content.Size() - int64(len(u.end))
	first := offset - int64(len(u.before))
	if u.sent < first {
		return fmt.Errorf("gs: put %s: the server lost bytes: %w", u.store.url(u.key), objstore.ErrUploadGone)
	}
	for u.sent < until {
		sent := u.sent
		if _, err := body.Seek(max(sent-offset, 0), io.SeekStart); err != nil {
			return fmt.Errorf("gs: put %s: reading the source: %w", u.store.url(u.key), err)
		}
		rest := io.MultiReader(bytes.NewReader(u.before[min(sent, offset)-first:]), body)
		if err := u.put(ctx, io.LimitReader(rest, until-sent), until-sent, unknown); err != nil {
			return err
		}
		if u.sent <= sent {
			return fmt.Errorf("gs: put %s: the server took nothing of a part: %w", u.store.url(u.key), objstore.ErrTransient)
		}
	}
	return nil
}

// read sums a part up, the first time it is sent, and keeps its end.
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
	end := make([]byte, (size-1)%pieces+1)
	if _, err := body.Seek(-int64(len(end)), io.SeekEnd); err != nil {
		return fmt.Errorf("reading the source: %w", err)
	}
	if _, err := io.ReadFull(body, end); err != nil {
		return fmt.Errorf("reading the source: %w", err)
	}
	u.before, u.end = u.end, end
	u.summed++
	return nil
}

// ask learns what the server has of a request whose answer was lost.
func (u *upload) ask(ctx context.Context, total int64) error {
	if !u.unsure {
		return nil
	}
	return u.put(ctx, http.NoBody, 0, total)
}

// Complete implements objstore.Upload.
func (u *upload) Complete(ctx context.Context, size int64, opts objstore.PutOptions) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := opts.MayWrite(ctx); err != nil {
		return err
	}
	ctx, cancel := u.store.clients.writes().Context(ctx)
	defer cancel()
	if err := u.ask(ctx, size); err != nil || u.sent == size {
		return err // an earlier try did it, and its answer was lost
	}
	rest := size - u.sent
	if rest > int64(len(u.end)) {
		return fmt.Errorf("gs: put %s: the server lost bytes: %w", u.store.url(u.key), objstore.ErrUploadGone)
	}
	if err := u.put(ctx, bytes.NewReader(u.end[int64(len(u.end))-rest:]), rest, size); err != nil {
		return err
	}
	if u.sent != size {
		return fmt.Errorf("gs: put %s: the server did not take the end: %w", u.store.url(u.key), objstore.ErrTransient)
	}
	return nil
}

// unknown is the size of an object that goes on.
const unknown = -1

// put sends bytes from where the server is, or none to ask only, and learns how
// many it has. All of them means that the object is there.
func (u *upload) put(ctx context.Context, data io.Reader, size, total int64) error {
	client, err := u.store.object(ctx, "put", u.key)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, u.uri, data)
	if err != nil {
		return fmt.Errorf("gs: put %s: %w", u.store.url(u.key), err)
	}
	request.ContentLength = size
	request.Header.Set("Content-Range", span(u.sent, size, total))
	if total != unknown && size > 0 {
		request.Header.Set("X-Goog-Hash", "crc32c="+encoded(u.sum))
	}
	wasUnsure := u.unsure
	u.unsure = true
	// "Go on" is a 308, which to others is a redirect.
	answer, err := client.do(request, http.StatusPermanentRedirect)
	switch code := status(err); {
	case code == http.StatusNotFound, code == http.StatusGone:
		return fmt.Errorf("gs: put %s: HTTP %d: %w", u.store.url(u.key), code, objstore.ErrUploadGone)
	case err != nil:
		// Who is not let in leaves nothing behind.
		u.unsure = wasUnsure || code != http.StatusUnauthorized
		return u.store.failed(ctx, "put", u.key, err)
	}
	defer answer.Body.Close()
	// Read to its end, the connection can be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	switch {
	case answer.StatusCode == http.StatusPermanentRedirect:
		u.sent, err = received(answer.Header.Get("Range"))
	case total == unknown:
		return fmt.Errorf("gs: put %s: the server ended the object before its last part: HTTP %d: %w", u.store.url(u.key), answer.StatusCode, objstore.ErrUploadGone)
	default:
		u.sent = total
	}
	u.unsure = false
	return err
}

// span is a Content-Range, "bytes 0-41/42"; "*" stands for what is not sent or
// not known.
func span(from, size, total int64) string {
	part, whole := "*", "*"
	if size > 0 {
		part = fmt.Sprintf("%d-%d", from, from+size-1)
	}
	if total != unknown {
		whole = strconv.FormatInt(total, 10)
	}
	return "bytes " + part + "/" + whole
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
	client, err := u.store.object(ctx, "abort the put of", u.key)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, u.uri, http.NoBody)
	if err != nil {
		return fmt.Errorf("gs: abort the put of %s: %w", u.store.url(u.key), err)
	}
	answer, err := client.do(request, 499)
	if err != nil {
		return u.store.failed(ctx, "abort the put of", u.key, err)
	}
	return errors.Join(answer.Body.Close())
}
