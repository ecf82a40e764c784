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
	if !raw {
		var err error
		if raw, err = p.isNoise(key, src); err != nil {
			return err
		}
	}
	opts := objstore.PutOptions{IfAbsent: true, Metadata: metadata(raw), Fence: fence}
	err := p.put(ctx, store, key, src, raw, opts)
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

// isNoise says by a sample of the source that it does not shrink.
func (p *Pool) isNoise(key string, src objstore.Source) (bool, error) {
	r, err := src.Open()
	if err != nil {
		return false, fmt.Errorf("artifact %s: %w", path.Base(key), err)
	}
	defer r.Close()
	head := make([]byte, min(src.Size(), sample))
	if _, err := io.ReadFull(r, head); err != nil {
		return false, fmt.Errorf("artifact %s: its source is shorter than the %d bytes it announced: %w", path.Base(key), src.Size(), err)
	}
	return !p.shrinks(head), nil
}

// put stores what is small from memory, and what is not while it is encoded.
// Where a store cannot do that it goes through a file.
func (p *Pool) put(ctx context.Context, store objstore.Store, key string, src objstore.Source, raw bool, opts objstore.PutOptions) error {
	worst := src.Size() + src.Size()/1000 + 1024
	if worst <= p.cfg.Memory/8 {
		if err := p.memory.Acquire(ctx, worst); err != nil {
			return context.Cause(ctx)
		}
		defer p.memory.Release(worst)
		var out bytes.Buffer
		if raw {
			out.Grow(int(src.Size()) + bytes.MinRead) // no copies while it grows
		}
		if err := p.encode(ctx, key, src, raw, &out); err != nil {
			return err
		}
		return store.Put(ctx, key, objstore.Bytes(out.Bytes()), opts)
	}
	err := objstore.Stream(ctx, store, key, worst, opts, func(ctx context.Context, w io.Writer) error {
		return p.encode(ctx, key, src, raw, w)
	})
	if errors.Is(err, errors.ErrUnsupported) {
		return p.putFile(ctx, store, key, src, raw, opts)
	}
	return err
}

func (p *Pool) putFile(ctx context.Context, store objstore.Store, key string, src objstore.Source, raw bool, opts objstore.PutOptions) error {
	f, err := os.CreateTemp(p.cfg.TempDir, "encoded-")
	if err != nil {
		return fmt.Errorf("artifact %s: %w", path.Base(key), err)
	}
	defer os.Remove(f.Name())
	err = p.encode(ctx, key, src, raw, f)
	if closed := f.Close(); err == nil && closed != nil {
		err = fmt.Errorf("artifact %s: encoding it: %w", path.Base(key), closed)
	}
	if err != nil {
		return err
	}
	encoded, err := objstore.File(f.Name())
	if err != nil {
		return fmt.Errorf("artifact %s: %w", path.Base(key), err)
	}
	return store.Put(ctx, key, encoded, opts)
}

// encode writes a source's encoding, and fails at its end when the source is
// not what the key says.
func (p *Pool) encode(ctx context.Context, key string, src objstore.Source, raw bool, w io.Writer) error {
	r, err := src.Open()
	if err != nil {
		return fmt.Errorf("artifact %s: %w", path.Base(key), err)
	}
	defer r.Close()
	hash := sha1.New()
	content := &counter{r: io.TeeReader(r, hash)}
	switch {
	case raw:
		_, err = io.Copy(w, objstore.Ending(ctx, content))
	case src.Size() <= blockSize:
		err = p.packAlone(ctx, w, content)
	default:
		err = p.packBlocks(ctx, w, content)
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("artifact %s: encoding it: %w", path.Base(key), err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != path.Base(key) {
		return corrupt(key, "the %d bytes to be stored have SHA-1 %s, expected %s", content.n, got, path.Base(key))
	}
	return nil
}

// packAlone packs on this goroutine, when a core is free for it.
func (p *Pool) packAlone(ctx context.Context, w io.Writer, r io.Reader) error {
	if err := p.encoders.Acquire(ctx, 1); err != nil {
		return err
	}
	defer p.encoders.Release(1)
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
