// Package metadata speaks to Metaflow's metadata service for a task: it
// registers the task before Python starts, relays the child's calls, holds
// what the service cannot take yet, and beats.
//
//	Register ─┐
//	Do (POST) ┼─► queue, in order ─► service      while it is down the queue
//	Post      ┘      │                            grows and all are answered
//	Do (GET)  ───────┴─ what the queue will make is answered from it
//	Flush     ───► empties the queue, then `attempt` once more
package metadata

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

// Config says where the service is.
type Config struct {
	// URL is METAFLOW_SERVICE_URL.
	URL string
	// Headers are METAFLOW_SERVICE_HEADERS; they may hold a secret.
	Headers map[string]string
	// Budget bounds how long one call, and the last flush, are tried
	// (default 5 min).
	Budget time.Duration
	Logger *slog.Logger
}

// ErrUnavailable is wrapped when the service stayed away beyond the budget.
var ErrUnavailable = fmt.Errorf("metadata service unavailable: %w", objstore.ErrTransient)

// Client is a connection to the service. It is safe for concurrent use.
type Client struct {
	cfg  Config
	base string
	http *http.Client

	mu      sync.Mutex
	version string
	made    map[string]bool // flows, runs and steps that are there for sure
}

// New makes a Client; nothing is contacted.
func New(cfg Config) (*Client, error) {
	if cfg.URL == "" {
		return nil, errors.New("no metadata service: set METAFLOW_SERVICE_URL to the one of your deployment")
	}
	u, err := url.Parse(cfg.URL)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = errors.New("want http://host or https://host")
	}
	if err != nil {
		// The URL itself may hold a password.
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return nil, fmt.Errorf("metadata service: METAFLOW_SERVICE_URL is no URL of a service: %w", err)
	}
	if cfg.Budget <= 0 {
		cfg.Budget = 5 * time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Client{
		cfg: cfg, base: strings.TrimRight(cfg.URL, "/"), made: map[string]bool{},
		http: &http.Client{Transport: newTransport(), CheckRedirect: stayOnHost},
	}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func newTransport() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
}

// stayOnHost keeps the headers, which may hold a key, from going elsewhere.
func stayOnHost(r *http.Request, via []*http.Request) error {
	if len(via) > 5 || r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}
