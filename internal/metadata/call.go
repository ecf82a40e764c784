package metadata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	versionHeader = "METADATA_SERVICE_VERSION"
	// longestReply bounds an answer: the list of a large run's tasks.
	longestReply = 256 << 20
	// tryFor bounds one request.
	tryFor = time.Minute
	// Waits between tries are around these and double in between.
	firstWait, longestWait = 200 * time.Millisecond, 10 * time.Second
)

// answer is what the service said.
type answer struct {
	status int
	body   []byte
}

// unreachable is a try that another may heal.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

func isUnreachable(err error) bool {
	var u unreachable
	return errors.As(err, &u)
}

// try makes one request.
func (c *Client) try(ctx context.Context, method, path string, body []byte) (answer, error) {
	if err := checkPath(path); err != nil {
		return answer{}, err
	}
	inner, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	req, err := http.NewRequestWithContext(inner, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("metadata service: %s %s: %w: %w", method, path, err, fs.ErrInvalid)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.cfg.Headers {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, c.broken(ctx, method, path, err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, longestReply+1))
	if err != nil {
		return answer{}, c.broken(ctx, method, path, err)
	}
	if len(reply) > longestReply {
		return answer{}, fmt.Errorf("metadata service: %s %s: the answer has more than the %d bytes that are read", method, path, longestReply)
	}
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return answer{}, unreachable{fmt.Errorf("metadata service: %s %s: it answered %s", method, path, resp.Status)}
	}
	if v := resp.Header.Get(versionHeader); v != "" {
		c.mu.Lock()
		c.version = v
		c.mu.Unlock()
	}
	return answer{resp.StatusCode, reply}, nil
}

// broken explains a request that got no answer, without the URL, which may
// hold a password.
func (c *Client) broken(ctx context.Context, method, path string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	host := ""
	if u, perr := url.Parse(c.base); perr == nil {
		host = u.Host
	}
	return unreachable{fmt.Errorf("metadata service at %s: %s %s: %w (is METAFLOW_SERVICE_URL right, and is the service up?)", host, method, path, err)}
}

func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return fmt.Errorf("metadata service: path %.200q does not begin with a slash: %w", path, fs.ErrInvalid)
	}
	plain, _, _ := strings.Cut(path, "?")
	for part := range strings.SplitSeq(plain, "/") {
		if part == "." || part == ".." {
			return fmt.Errorf("metadata service: path %.200q leads elsewhere: %w", path, fs.ErrInvalid)
		}
	}
	return nil
}

// persist tries until the service answers or the budget is over.
func (c *Client) persist(ctx context.Context, method, path string, body []byte) (answer, error) {
	var got answer
	err := c.repeat(ctx, func() error {
		var err error
		got, err = c.try(ctx, method, path, body)
		return err
	})
	return got, err
}

// repeat calls do until it fails with anything but unreachable, or the budget
// is over.
func (c *Client) repeat(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(c.cfg.Budget)
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := do()
		if err == nil || !isUnreachable(err) {
			return err
		}
		pause := jitter(wait)
		if time.Now().Add(pause).After(deadline) {
			return fmt.Errorf("%w: given up after %s: %w", ErrUnavailable, c.cfg.Budget, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// jitter is anything between half and one and a half of a wait, so that a
// crowd that failed together does not come back together.
func jitter(wait time.Duration) time.Duration { return wait/2 + rand.N(wait) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Client) knownVersion() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}
