// Package artifact moves content-addressed objects between Metaflow's
// datastore and files:
//
//	load: object -> decode (gzip or raw, by its attributes) -> SHA-1 = key? -> file
//	save: source -> SHA-1 = key? -> gzip, or raw when it does not shrink -> put if-absent
//
// The key of an object is the SHA-1 of its decoded content, so every read and
// every write is verified, and an object that is there already is the right
// one.
package artifact

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/millrace/millrace/internal/artifact/inflate"
	"github.com/millrace/millrace/internal/objstore"
)

// ErrCorrupt is wrapped when an object is not what its key and attributes say.
var ErrCorrupt = errors.New("corrupt artifact")

// Config bounds a Pool. Zero values mean the defaults.
type Config struct {
	// TempDir takes encoded copies too large for memory, for a store that takes
	// no object while it is made.
	TempDir string
	// Memory bounds the bytes of encoded objects held at a time (default
	// 64 MiB); an object of more than an eighth of it is stored while it is
	// encoded, or goes through a file.
	Memory int64
	// Encoders bounds the compressions at a time (default GOMAXPROCS).
	Encoders int
	// CacheDir keeps what was loaded, up to CacheBytes; nothing is kept
	// without it.
	CacheDir   string
	CacheBytes int64
}

// Pool loads and saves objects within its bounds. It is safe for concurrent
// use.
type Pool struct {
	cfg      Config
	memory   *semaphore.Weighted
	encoders *semaphore.Weighted
	saving   singleflight.Group
	writers  sync.Pool // of level
	coders   sync.Pool // of gzip.HuffmanOnly
	readers  sync.Pool
	// inflaters decode members of ours.
	inflaters sync.Pool
	blocks    chan *block
	stored    *recent
	cache     *cache
}

// New makes a Pool.
func New(cfg Config) *Pool {
	if cfg.Memory <= 0 {
		cfg.Memory = 64 << 20
	}
	if cfg.Encoders <= 0 {
		cfg.Encoders = runtime.GOMAXPROCS(0)
	}
	p := &Pool{
		cfg: cfg, blocks: make(chan *block, max(2, min(2*cfg.Encoders+2, int(cfg.Memory/4/(2*blockSize))))),
		stored: newRecent(), cache: newCache(cfg.CacheDir, cfg.CacheBytes), readers: sync.Pool{New: func() any { return new(gzip.Reader) }},
		inflaters: sync.Pool{New: func() any { return new(inflate.Decoder) }},
		memory:    semaphore.NewWeighted(cfg.Memory), encoders: semaphore.NewWeighted(int64(cfg.Encoders)),
		writers: writersOf(level), coders: writersOf(gzip.HuffmanOnly),
	}
	for range cap(p.blocks) {
		p.blocks <- nil
	}
	return p
}

// level is that of Metaflow's own writer.
const level = 3

func writersOf(level int) sync.Pool {
	return sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, level)
		if err != nil {
			panic(err) // the levels are constants
		}
		return w
	}}
}

func corrupt(key, format string, args ...any) error {
	return fmt.Errorf("artifact %s (object %s): %s: %w", path.Base(key), key, fmt.Sprintf(format, args...), ErrCorrupt)
}

// attributes are Metaflow's on a content-addressed object.
type attributes struct {
	Raw     bool `json:"cas_raw"`
	Version *int `json:"cas_version"`
}

// The texts Metaflow's json.dumps writes.
const (
	rawAttributes  = `{"cas_raw": true, "cas_version": 1}`
	gzipAttributes = `{"cas_raw": false, "cas_version": 1}`
)

func metadata(raw bool) objstore.Metadata {
	if raw {
		return objstore.Metadata{objstore.UserAttributes: rawAttributes}
	}
	return objstore.Metadata{objstore.UserAttributes: gzipAttributes}
}
