package artifact

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/millrace/millrace/internal/objstore"
)

// Save stores the source under the key, whose last element must be the SHA-1
// of its content; an object that is there already is left alone. raw keeps the
// bytes as they are: code packages are read by tools that know no attributes.
// The source may change or vanish once Save returns; what is stored is an own
// copy, so a source that changes meanwhile cannot store a wrong object.
func (p *Pool) Save(ctx context.Context, store objstore.Store, key string, src objstore.Source, raw bool, fence func(context.Context) error) error {
	if p.stored.has(store, key) {
		return nil
	}
	// Two savers of one key in this process do the work once.
	mine := false
	_, err, _ := p.saving.Do(fmt.Sprintf("%p %s", store, key), func() (any, error) {
		mine = true
		return nil, p.save(ctx, store, key, src, raw, fence)
	})
	if err != nil && !mine && ctx.Err() == nil {
		// What ended the other's save, its context or its source, is not ours.
		err = p.save(ctx, store, key, src, raw, fence)
	}
	if err == nil {
		p.stored.add(store, key)
	}
	return err
}

func (p *Pool) save(ctx context.Context, store objstore.Store, key string, src objstore.Source, raw bool, fence func(context.Context) error) error {
	if src.Size() > existsFirst {
		// Looking is cheaper than compressing; for small objects it is not.
		if _, err := store.Stat(ctx, key); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	encoded, err := p.encode(ctx, key, src, raw)
	if err != nil {
		return err
	}
	defer encoded.release()
	err = store.Put(ctx, key, encoded.source, objstore.PutOptions{IfAbsent: true, Metadata: metadata(encoded.raw), Fence: fence})
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

const (
	existsFirst = 256 << 10
	// sample is how much of a source decides whether it shrinks.
	sample = 128 << 10
	// blockSample is how much of a block decides how it is compressed.
	blockSample = 32 << 10
)

// encoded is a source's verified encoding, in memory or in a file.
type encoded struct {
	source  objstore.Source
	raw     bool
	release func()
}

func (p *Pool) encode(ctx context.Context, key string, src objstore.Source, raw bool) (*encoded, error) {
	r, err := src.Open()
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", path.Base(key), err)
	}
	defer r.Close()
	hash := sha1.New()
	counted := &counter{r: io.TeeReader(r, hash)}
	head := make([]byte, min(src.Size(), sample))
	if _, err := io.ReadFull(counted, head); err != nil {
		return nil, fmt.Errorf("artifact %s: its source is shorter than the %d bytes it announced: %w", path.Base(key), src.Size(), err)
	}
	raw = raw || !p.shrinks(head)

	out, e, err := p.output(ctx, src.Size(), raw)
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", path.Base(key), err)
	}
	e.raw = raw
	content := io.MultiReader(bytes.NewReader(head), counted)
	if raw || src.Size() <= blockSize {
		err = p.packAlone(ctx, out, content, raw)
	} else {
		err = p.packBlocks(ctx, out, content)
	}
	if err == nil {
		e.source, err = out.finish()
	}
	if err != nil {
		e.release()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("artifact %s: encoding it: %w", path.Base(key), err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != path.Base(key) {
		e.release()
		return nil, corrupt(key, "the %d bytes to be stored have SHA-1 %s, expected %s", counted.n, got, path.Base(key))
	}
	return e, nil
}

// packAlone packs on this goroutine, when a core is free for it.
func (p *Pool) packAlone(ctx context.Context, w io.Writer, r io.Reader, raw bool) error {
	if err := p.encoders.Acquire(ctx, 1); err != nil {
		return err
	}
	defer p.encoders.Release(1)
	return p.pack(w, r, raw)
}

func (p *Pool) pack(w io.Writer, r io.Reader, raw bool) error {
	if raw {
		_, err := io.Copy(w, r)
		return err
	}
	return zip(&p.writers, nil, w, r)
}

// zip compresses with a writer of the pool.
func zip(writers *sync.Pool, extra []byte, w io.Writer, r io.Reader) error {
	z, ok := writers.Get().(*gzip.Writer)
	if !ok {
		return errors.New("the pool of writers holds something else")
	}
	defer writers.Put(z)
	z.Reset(w)
	z.Extra = extra
	if _, err := io.Copy(z, r); err != nil {
		return err
	}
	return z.Close()
}

// shrinks says whether gzip is worth it, by a sample.
func (p *Pool) shrinks(head []byte) bool {
	if len(head) < 512 {
		return true // not worth a thought; gzip is what every reader knows
	}
	return packed(&p.writers, head) < int64(len(head))*15/16
}

// packed is the size of content when it is compressed.
func packed(writers *sync.Pool, content []byte) int64 {
	var n counter
	if zip(writers, nil, &n, bytes.NewReader(content)) != nil {
		return int64(len(content))
	}
	return n.n
}

// writersFor returns those that suit the block. Numbers seldom repeat: what can
// be gained of them is to write frequent bytes with fewer bits, and to look for
// repetitions costs several times that. A part of the block tells.
func (p *Pool) writersFor(content []byte) *sync.Pool {
	part := content[:min(len(content), blockSample)]
	if packed(&p.coders, part) <= packed(&p.writers, part)*33/32 {
		return &p.coders
	}
	return &p.writers
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// output is where an encoding goes.
type output interface {
	io.Writer
	finish() (objstore.Source, error)
}

// output chooses memory for what surely fits, else a file.
func (p *Pool) output(ctx context.Context, size int64, raw bool) (output, *encoded, error) {
	if worst := size + size/1000 + 1024; worst <= p.cfg.Memory/8 {
		if err := p.memory.Acquire(ctx, worst); err != nil {
			return nil, nil, context.Cause(ctx)
		}
		out := &inMemory{}
		if raw {
			out.Grow(int(size) + bytes.MinRead) // no copies while it grows
		}
		return out, &encoded{release: func() { p.memory.Release(worst) }}, nil
	}
	f, err := os.CreateTemp(p.cfg.TempDir, "encoded-")
	if err != nil {
		return nil, nil, err
	}
	return &inFile{File: f}, &encoded{release: func() { f.Close(); os.Remove(f.Name()) }}, nil
}

type inMemory struct{ bytes.Buffer }

func (m *inMemory) finish() (objstore.Source, error) { return objstore.Bytes(m.Bytes()), nil }

type inFile struct{ *os.File }

func (f *inFile) finish() (objstore.Source, error) {
	if err := f.Close(); err != nil {
		return nil, err
	}
	return objstore.File(f.Name())
}
