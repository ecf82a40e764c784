// Package gcs is the adapter for Google Cloud Storage.
//
// It tries each request once: package retry alone decides what is tried again.
// Credentials are Google's default ones (GOOGLE_APPLICATION_CREDENTIALS, those
// of gcloud, the pod's service account), looked for at the first request and
// refreshed as they expire. STORAGE_EMULATOR_HOST names a server that takes
// requests without any.
//
// It speaks the store's HTTP protocols itself. Google's client would try parts
// of an upload, and bodies that break off, again on its own, the last part
// without asking the fence; and it would make the launcher half as large again.
package gcs

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/login"
)

// pieces is what Google takes parts in multiples of, but for the last.
const pieces = 256 << 10

// Config is what all stores of a process share.
type Config struct {
	// Endpoint is an emulator's URL or address.
	Endpoint string
	// WriteTimeout bounds each request that writes; 0 is no bound.
	WriteTimeout time.Duration
	// PartSize is that of the parts of an upload (default 16 MiB, a multiple of
	// 256 KiB).
	PartSize int64
}

// Clients makes stores that share one connection pool and credential chain.
type Clients struct {
	cfg Config
	// exists holds the buckets that have answered.
	exists sync.Map

	logins login.Kept[*client]
}

// client makes requests below one base URL, which ends without a slash.
type client struct {
	http login.Doer
	base string
}

// scope is all that reading and writing objects needs.
const scope = "https://www.googleapis.com/auth/devstorage.read_write"

func (c *Clients) writes() objstore.WriteLimit { return objstore.WriteLimit(c.cfg.WriteTimeout) }

// NewClients prepares the set; nothing is read or contacted yet.
func NewClients(cfg Config) *Clients {
	if cfg.PartSize <= 0 {
		cfg.PartSize = 16 << 20
	}
	cfg.PartSize = (cfg.PartSize + pieces - 1) / pieces * pieces
	return &Clients{cfg: cfg}
}

// Store returns the store of a root such as gs://bucket/prefix.
func (c *Clients) Store(root string) (*Store, error) {
	bucket, prefix, ok := objstore.SplitRoot(root, "gs://")
	if !ok {
		return nil, fmt.Errorf("datastore root %q: want gs://bucket/prefix", root)
	}
	return &Store{clients: c, bucket: bucket, prefix: prefix}, nil
}

// get returns the client, made at the first call and when its credentials have
// come to an end. A failure is not kept: the next call tries again.
func (c *Clients) get(ctx context.Context) (*client, error) {
	return c.logins.Client(func(l *login.Login) (*client, error) { return c.open(ctx, l) })
}

func (c *Clients) open(ctx context.Context, l *login.Login) (*client, error) {
	base, plain, err := c.server()
	if err != nil {
		return nil, err
	}
	if c.cfg.Endpoint != "" {
		return &client{base: base, http: plain}, nil
	}
	// What refreshes tokens outlives the call that asks for the first.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Transport: plain.Transport, Timeout: time.Minute})
	found, err := google.FindDefaultCredentials(ctx, scope)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCredentials, err)
	}
	authorized := &http.Client{Transport: &oauth2.Transport{Source: found.TokenSource, Base: plain.Transport}}
	return &client{base: base, http: l.Through(authorized)}, nil
}

// server returns the base of all URLs and a client without credentials.
func (c *Clients) server() (string, *http.Client, error) {
	plain := &http.Client{Transport: transport()}
	if c.cfg.Endpoint == "" {
		return "https://storage.googleapis.com", plain, nil
	}
	text := c.cfg.Endpoint
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", nil, fmt.Errorf("%w: STORAGE_EMULATOR_HOST %q is no address: want http://127.0.0.1:port", errSettings, c.cfg.Endpoint)
	}
	if u.Scheme != "https" && !loopback(u.Hostname()) {
		return "", nil, fmt.Errorf("%w: STORAGE_EMULATOR_HOST %q: a server elsewhere than on this machine needs https", errSettings, c.cfg.Endpoint)
	}
	return u.Scheme + "://" + u.Host, plain, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// transport bounds every phase in which no byte of a body moves; bodies are
// watched by package watchdog. It speaks HTTP/1.1: one connection for each
// request carries more than one for all.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 64
	t.ResponseHeaderTimeout = 60 * time.Second
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return t
}
