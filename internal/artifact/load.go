package artifact

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"sync"

	"github.com/millrace/millrace/internal/objstore"
)

// Load writes the decoded, verified content of the object to a new file. On an
// error the file is gone. A missing object wraps fs.ErrNotExist.
func (p *Pool) Load(ctx context.Context, store objstore.Store, key, file string) error {
	p.cache.await(ctx, key)
	kept, err := p.cache.copyTo(ctx, key, file)
	if kept || err != nil {
		return err
	}
	if err := p.load(ctx, store, key, file); err != nil {
		return err
	}
	p.stored.add(store, key)
	p.cache.offer(key, file)
	return nil
}

// Fetch brings the object's content into the cache, if there is one and it is
// not there. A Load meanwhile waits for it.
func (p *Pool) Fetch(ctx context.Context, store objstore.Store, key string) error {
	return p.cache.fetch(key, func(file string) error {
		err := p.load(ctx, store, key, file)
		if err == nil {
			p.stored.add(store, key)
		}
		return err
	})
}

func (p *Pool) load(ctx context.Context, store objstore.Store, key, file string) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("artifact %s: %w", path.Base(key), err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("artifact %s: %w", path.Base(key), cerr)
		}
		if err != nil {
			os.Remove(file)
		}
	}()
	return store.Get(ctx, key, objstore.Whole, func(info objstore.Info, r io.Reader) error {
		// The callback may run again: begin afresh.
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return p.decode(ctx, info, key, r, f)
	})
}

// decode copies the content of a content-addressed object to w, by the rules
// of Metaflow's reader, and verifies it.
func (p *Pool) decode(ctx context.Context, info objstore.Info, key string, r io.Reader, w io.Writer) error {
	raw, err := isRaw(key, info.Metadata)
	if err != nil {
		return err
	}
	broken, sum := &readError{r: r}, &sha1Writer{w: w, hash: sha1.New()}
	if raw {
		err = broken.copyTo(sum, min(info.Size+1, 4*besides))
	} else {
		err = p.inOrder(ctx, func(ctx context.Context, emit func(*block)) error {
			return p.unpackBlocks(ctx, bufio.NewReaderSize(broken, 64<<10), emit)
		}, func(content []byte) error {
			_, err := sum.Write(content)
			return err
		})
	}
	switch notGzip := (notGzipError{}); {
	case sum.err != nil:
		return fmt.Errorf("artifact %s: %w", path.Base(key), sum.err)
	case err == nil:
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case broken.err != nil:
		return broken.err
	case errors.As(err, &notGzip):
		return corrupt(key, "it is stored as gzip but does not begin as such: %v", err)
	default:
		return corrupt(key, "it cannot be decoded after %d bytes: %v", sum.n, err)
	}
	if got := hex.EncodeToString(sum.hash.Sum(nil)); got != path.Base(key) {
		return corrupt(key, "its %d bytes have SHA-1 %s, expected %s", sum.n, got, path.Base(key))
	}
	return nil
}

// isRaw says by an object's attributes whether it is stored as it is.
func isRaw(key string, md objstore.Metadata) (bool, error) {
	text, ok := md[objstore.UserAttributes]
	if !ok {
		return false, nil
	}
	var a attributes
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return false, corrupt(key, "its attributes %q are no JSON object", text)
	}
	switch {
	case a.Raw:
		return true, nil
	case a.Version == nil:
		return false, corrupt(key, "its attributes %q have no cas_version", text)
	case *a.Version != 1:
		return false, corrupt(key, "its encoding has version %d, this launcher knows 1: was it written by a newer Metaflow?", *a.Version)
	}
	return false, nil
}

// readError tells a broken connection from broken content.
type readError struct {
	r   io.Reader
	err error
}

func (b *readError) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// copyTo copies all there is. What r has in memory is not copied again, else so
// many bytes are at a time.
func (b *readError) copyTo(w *sha1Writer, atOnce int64) error {
	to, ok := b.r.(io.WriterTo)
	if !ok {
		_, err := io.CopyBuffer(w, b, make([]byte, atOnce))
		return err
	}
	_, err := to.WriteTo(w)
	if w.err == nil {
		b.err = err
	}
	return err
}

// sha1Writer sums up what it writes to w.
type sha1Writer struct {
	w    io.Writer
	hash hash.Hash
	n    int64
	err  error
}

// besides is from how many bytes on they are summed up while they are written:
// the two take about as long.
const besides = 128 << 10

func (s *sha1Writer) Write(p []byte) (int, error) {
	var summing sync.WaitGroup
	if len(p) < besides {
		s.hash.Write(p)
	} else {
		summing.Go(func() { s.hash.Write(p) })
	}
	n, err := s.w.Write(p)
	summing.Wait()
	s.n += int64(n)
	s.err = err
	return n, err
}
