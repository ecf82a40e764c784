// Package open turns what Metaflow calls a datastore, a type and a root, into
// a ready store: adapter, watchdog, limit, retry and, where there is a wire,
// transfer, in this order from the inside. It is the door to the adapters; nothing else imports them.
package open

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/azure"
	"github.com/millrace/millrace/internal/objstore/file"
	"github.com/millrace/millrace/internal/objstore/gcs"
	"github.com/millrace/millrace/internal/objstore/limit"
	"github.com/millrace/millrace/internal/objstore/retry"
	"github.com/millrace/millrace/internal/objstore/s3"
	"github.com/millrace/millrace/internal/objstore/transfer"
	"github.com/millrace/millrace/internal/objstore/watchdog"
)

// Options are those of every store a process opens. Zero values mean the
// defaults.
type Options struct {
	Logger *slog.Logger
	// S3Endpoint is METAFLOW_S3_ENDPOINT_URL, S3Encryption
	// METAFLOW_S3_SERVER_SIDE_ENCRYPTION.
	S3Endpoint   string
	S3Encryption string
	// GCSEndpoint is STORAGE_EMULATOR_HOST.
	GCSEndpoint string
	// Azure is the storage account of Azure's stores.
	Azure azure.Account
	// WriteTimeout bounds one write request (default 30 s). The driver counts
	// on it when it hands a lost task to the next worker.
	WriteTimeout time.Duration
	// RetryBudget bounds how long one operation is tried (default 5 min),
	// FirstWait is the mean of the wait before its second try (default 200 ms).
	RetryBudget, FirstWait time.Duration
	// Stall ends a request that moves no byte for so long (default 60 s).
	Stall time.Duration
	// PartSize is that of the parts in which big objects move (default 8 MiB
	// to here, 16 MiB from here; S3 takes none below 5 MiB).
	PartSize int64
	// Connections bounds requests at a time over all stores (default 32);
	// requests for parts of big objects come on top, half as many.
	Connections int
}

// FromEnvironment fills the options that Metaflow's own variables decide.
func (o Options) FromEnvironment(getenv func(string) string) Options {
	o.S3Endpoint = getenv("METAFLOW_S3_ENDPOINT_URL")
	o.S3Encryption = getenv("METAFLOW_S3_SERVER_SIDE_ENCRYPTION")
	o.GCSEndpoint = getenv("STORAGE_EMULATOR_HOST")
	o.Azure = azure.AccountFromEnvironment(getenv)
	return o
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&o.WriteTimeout, 30*time.Second)
	set(&o.RetryBudget, 5*time.Minute)
	set(&o.Stall, time.Minute)
	if o.Connections <= 0 {
		o.Connections = 32
	}
	return o
}

// Stores opens stores and keeps them, one per type and root. It is safe for
// concurrent use.
type Stores struct {
	options Options
	tokens  limit.Tokens
	parts   limit.Tokens
	retrier *retry.Retrier
	engine  *transfer.Engine
	s3      *s3.Clients
	gcs     *gcs.Clients
	azure   *azure.Clients

	mu   sync.Mutex
	open map[[2]string]objstore.Store
}

// New makes an empty set. Nothing is contacted before the first use of a
// store.
func New(options Options) *Stores {
	o := options.withDefaults()
	return &Stores{
		options: o,
		tokens:  limit.New(o.Connections),
		parts:   limit.New((o.Connections + 1) / 2),
		retrier: retry.New(retry.Config{Budget: o.RetryBudget, First: o.FirstWait, Logger: o.Logger}),
		engine:  transfer.New(transfer.Config{PartSize: o.PartSize, Whole: o.PartSize}),
		s3:      s3.NewClients(s3.Config{Endpoint: o.S3Endpoint, Encryption: o.S3Encryption, WriteTimeout: o.WriteTimeout, PartSize: o.PartSize}),
		gcs:     gcs.NewClients(gcs.Config{Endpoint: o.GCSEndpoint, WriteTimeout: o.WriteTimeout, PartSize: o.PartSize}),
		azure:   azure.NewClients(azure.Config{Account: o.Azure, WriteTimeout: o.WriteTimeout, PartSize: o.PartSize}),
		open:    map[[2]string]objstore.Store{},
	}
}

// Store returns the store of Metaflow's datastore type and root: "local" with
// an absolute path, "s3" with s3://bucket/prefix, "gs" with gs://bucket/prefix,
// "azure" with container/prefix.
func (s *Stores) Store(typ, root string) (objstore.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := [2]string{typ, root}
	if store, ok := s.open[id]; ok {
		return store, nil
	}
	adapter, err := s.adapter(typ, root)
	if err != nil {
		return nil, err
	}
	watched := watchdog.Wrap(adapter, s.options.Stall)
	var store objstore.Store = s.retrier.Wrap(limit.Wrap(watched, s.tokens))
	if typ != "local" { // parts of a file on a disk come no faster
		store = s.engine.Wrap(store, s.retrier.Wrap(limit.Wrap(watched, s.parts)))
	}
	s.open[id] = store
	return store, nil
}

func (s *Stores) adapter(typ, root string) (objstore.Store, error) {
	switch typ {
	case "local":
		if !filepath.IsAbs(root) {
			return nil, fmt.Errorf("datastore root %q: a local datastore needs an absolute path", root)
		}
		return file.New(root), nil
	case "s3":
		return s.s3.Store(root)
	case "gs":
		return s.gcs.Store(root)
	case "azure":
		return s.azure.Store(root)
	default:
		return nil, fmt.Errorf("datastore type %q (root %q) is unknown: supported are local, s3, gs and azure", typ, root)
	}
}
