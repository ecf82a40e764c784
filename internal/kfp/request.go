package kfp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// maxReply bounds what is read of an answer; a pipeline may have 32 MiB.
const maxReply = 64 << 20

// request is one call of the API.
type request struct {
	op          string
	method      string
	path        string
	query       url.Values
	body        []byte
	contentType string
}

// get reads path into out.
func (c *Client) get(ctx context.Context, op, path string, query url.Values, out any) error {
	return c.do(ctx, request{op: op, method: http.MethodGet, path: path, query: query}, out)
}

// post sends in as JSON; nil sends an empty object.
func (c *Client) post(ctx context.Context, op, path string, in, out any) error {
	body := []byte("{}")
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return c.do(ctx, request{op: op, method: http.MethodPost, path: path, body: body, contentType: "application/json"}, out)
}

// do sends the request, repeats it while that can help and do no harm, and
// decodes the answer into out unless that is nil.
func (c *Client) do(ctx context.Context, r request, out any) error {
	budget := c.cfg.Budget
	if budget <= 0 {
		budget = 30 * time.Second
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 5*time.Second
	body, err := backoff.Retry(ctx, func() ([]byte, error) {
		body, err := c.once(ctx, r)
		if err != nil && !repeatable(r.method, err) {
			return nil, backoff.Permanent(err)
		}
		return body, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(budget))
	if err != nil {
		if p, ok := errors.AsType[*backoff.PermanentError](err); ok {
			err = p.Unwrap()
		}
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return &Error{Op: r.op, URL: c.base, Class: ErrInvalid, Message: "the answer is not the API's JSON: " + err.Error(), Cause: err}
	}
	return nil
}

// repeatable says whether sending again may help and cannot do twice what was
// asked for once.
func repeatable(method string, err error) bool {
	if !errors.Is(err, ErrUnreachable) {
		return false
	}
	if method == http.MethodGet {
		return true
	}
	// No connection, so the server saw nothing.
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func (c *Client) once(ctx context.Context, r request) ([]byte, error) {
	target := c.base + "/apis/v2beta1" + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.op, err)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.cfg.Program)
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if c.cfg.Cookie != "" {
		req.Header.Set("Cookie", c.cfg.Cookie)
	}
	reply, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(r.op, err)
	}
	defer func() { _ = reply.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(reply.Body, maxReply+1))
	if err != nil {
		return nil, c.unreachable(r.op, err)
	}
	if len(body) > maxReply {
		return nil, &Error{Op: r.op, URL: c.base, Status: reply.StatusCode, Class: ErrInvalid, Message: "the answer is larger than 64 MiB"}
	}
	if reply.StatusCode < 200 || reply.StatusCode > 299 {
		return nil, classify(r.op, c.base, reply.StatusCode, reply.Header.Get("Content-Type"), body)
	}
	return body, nil
}

func (c *Client) unreachable(op string, err error) error {
	// net/http's error repeats the URL with its query; the cause is enough.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return &Error{Op: op, URL: c.base, Class: ErrUnreachable, Message: err.Error(), Cause: err}
}
