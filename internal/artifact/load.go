package artifact

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/gzip"

	"github.com/millrace/millrace/internal/objstore"
)

// Load writes the decoded, verified content of the object to a new file. On an
// error the file is gone. A missing object wraps fs.ErrNotExist.
func (p *Pool) Load(ctx context.Context, store objstore.Store, key, file string) (err error) {
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
		return Decode(key, info.Metadata, r, f)
	})
}

// Decode copies the content of a content-addressed object to w, by the rules
// of Metaflow's reader, and verifies it.
func Decode(key string, md objstore.Metadata, r io.Reader, w io.Writer) error {
	raw := false
	if text, ok := md[objstore.UserAttributes]; ok {
		var a attributes
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return corrupt(key, "its attributes %q are no JSON object", text)
		}
		switch {
		case a.Raw:
			raw = true
		case a.Version == nil:
			return corrupt(key, "its attributes %q have no cas_version", text)
		case *a.Version != 1:
			return corrupt(key, "its encoding has version %d, this launcher knows 1: was it written by a newer Metaflow?", *a.Version)
		}
	}
	broken := &readError{r: r}
	content := io.Reader(broken)
	if !raw {
		z, err := gzip.NewReader(bufio.NewReaderSize(broken, 64<<10))
		if err != nil {
			return broken.or(corrupt(key, "it is stored as gzip but does not begin as such: %v", err))
		}
		defer z.Close()
		content = z
	}
	hash := sha1.New()
	into := &writeError{w: w}
	n, err := io.Copy(io.MultiWriter(hash, into), content)
	if into.err != nil {
		return fmt.Errorf("artifact %s: %w", path.Base(key), into.err)
	}
	if err != nil {
		return broken.or(corrupt(key, "it cannot be decoded after %d bytes: %v", n, err))
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != path.Base(key) {
		return corrupt(key, "its %d bytes have SHA-1 %s, expected %s", n, got, path.Base(key))
	}
	return nil
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

func (b *readError) or(err error) error {
	if b.err != nil {
		return b.err
	}
	return err
}

type writeError struct {
	w   io.Writer
	err error
}

func (b *writeError) Write(p []byte) (int, error) {
	n, err := b.w.Write(p)
	if err != nil {
		b.err = err
	}
	return n, err
}
