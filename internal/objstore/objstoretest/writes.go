package objstoretest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

func writeLaws() []law {
	return []law{
		{"a put replaces content and attributes", replaceLaw},
		{"if absent, what is there stays", ifAbsentLaw},
		{"of racing puts if absent one wins", raceLaw},
		{"a reader sees a whole object", atomicLaw},
		{"a source that fails leaves nothing", sourceLaw},
		{"a source is read afresh by each put", reopenLaw},
		{"the fence is asked before anything can be seen", fenceLaw},
		{"a put whose context ends leaves nothing", cancelledPutLaw},
		{"an object that is put while it is made", streamLaw},
	}
}

func replaceLaw(t *testing.T, s objstore.Store, h Harness) {
	big := pattern(h.Big)
	put(t, s, "k", "short", objstore.PutOptions{Metadata: attributes(gzipped)})
	put(t, s, "k", big, objstore.PutOptions{Metadata: attributes(raw)})
	holds(t, s, "k", big, raw)
	put(t, s, "k", "again", objstore.PutOptions{})
	holds(t, s, "k", "again", "")
}

func ifAbsentLaw(t *testing.T, s objstore.Store, h Harness) {
	sizes := map[string]string{"small": "first", "big": pattern(h.Big)}
	for key, first := range sizes {
		put(t, s, key, first, objstore.PutOptions{IfAbsent: true, Metadata: attributes(gzipped)})
		for _, second := range sizes {
			err := s.Put(t.Context(), key, objstore.Bytes(second), objstore.PutOptions{IfAbsent: true, Metadata: attributes(raw)})
			if !errors.Is(err, fs.ErrExist) || errors.Is(err, objstore.ErrTransient) {
				t.Errorf("%s: second put if absent = %v, want fs.ErrExist", key, err)
			}
			holds(t, s, key, first, gzipped)
		}
	}
}

func raceLaw(t *testing.T, s objstore.Store, h Harness) {
	for name, size := range map[string]int{"small": 100, "big": h.Big} {
		const racers = 16
		var (
			group  errgroup.Group
			won    atomic.Int32
			winner atomic.Int32
			begin  = make(chan struct{})
		)
		contents := make([]string, racers)
		for n := range racers {
			contents[n] = strconv.Itoa(n) + " " + pattern(size)
			group.Go(func() error {
				<-begin
				err := s.Put(t.Context(), name, objstore.Bytes(contents[n]), objstore.PutOptions{IfAbsent: true, Metadata: attributes(strconv.Itoa(n))})
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(int32(n))
				// A server may ask for another try of what races; the next
				// answer is the verdict, which retry brings about.
				case errors.Is(err, fs.ErrExist), errors.Is(err, objstore.ErrTransient):
				default:
					return err
				}
				return nil
			})
		}
		close(begin)
		if err := group.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if won.Load() != 1 {
			t.Fatalf("%s: %d of %d puts won, want one", name, won.Load(), racers)
		}
		n := int(winner.Load())
		holds(t, s, name, contents[n], strconv.Itoa(n))
	}
}

func atomicLaw(t *testing.T, s objstore.Store, _ Harness) {
	const rounds = 40
	contents := map[string]string{"even": "e" + pattern(150_000), "odd": "o" + pattern(90_000)}
	put(t, s, "k", contents["even"], objstore.PutOptions{Metadata: attributes("even")})
	done := make(chan struct{})
	var group errgroup.Group
	var reads atomic.Int32
	for range 2 {
		group.Go(func() error {
			for {
				select {
				case <-done:
					return nil
				default:
				}
				content, info, err := read(t.Context(), s, "k", objstore.Whole)
				if err != nil {
					return err
				}
				reads.Add(1)
				if of := info.Metadata[objstore.UserAttributes]; content != contents[of] || info.Size != int64(len(content)) {
					return fmt.Errorf("a reader saw %s with the attributes %q and size %d", brief(content), of, info.Size)
				}
			}
		})
	}
	for n := range rounds {
		of := []string{"odd", "even"}[n%2]
		put(t, s, "k", contents[of], objstore.PutOptions{Metadata: attributes(of)})
	}
	close(done)
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if reads.Load() == 0 {
		t.Error("no reader came to read")
	}
}

// source is content that can be made to misbehave, and counts its readers.
type source struct {
	content  string
	announce int
	fail     error  // in place of the content's end
	onRead   func() // at every read
	mu       sync.Mutex
	open     int
	opened   int
}

func (s *source) Size() int64 { return int64(s.announce) }

func (s *source) Open() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	s.opened++
	return &sourceReader{source: s, left: s.content}, nil
}

type sourceReader struct {
	source *source
	left   string
}

func (r *sourceReader) Read(p []byte) (int, error) {
	if r.source.onRead != nil {
		r.source.onRead()
	}
	if r.left == "" && r.source.fail != nil {
		return 0, r.source.fail
	}
	if r.left == "" {
		return 0, io.EOF
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *sourceReader) Close() error {
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	r.source.open--
	return nil
}

func sourceLaw(t *testing.T, s objstore.Store, h Harness) {
	broken := errors.New("the disk is broken")
	for _, size := range []int{1000, h.Big} {
		for name, src := range map[string]*source{
			"fails":       {content: pattern(size / 2), announce: size, fail: broken},
			"is short":    {content: pattern(size - 1), announce: size},
			"is long":     {content: pattern(size + 1), announce: size},
			"fails early": {announce: size, fail: broken},
		} {
			err := s.Put(t.Context(), "k", src, objstore.PutOptions{})
			if err == nil || src.fail != nil && !errors.Is(err, broken) {
				t.Errorf("a source of %d bytes that %s: %v", size, name, err)
			}
			if errors.Is(err, objstore.ErrTransient) {
				t.Errorf("a source of %d bytes that %s counts as transient: %v", size, name, err)
			}
			if src.open != 0 {
				t.Errorf("a source of %d bytes that %s: %d readers left open", size, name, src.open)
			}
			absent(t, s, "k")
		}
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(pattern(size)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, off := range []int64{-1, 1} {
			err := s.Put(t.Context(), "k", objstore.FileSource{Path: path, Bytes: int64(size) + off}, objstore.PutOptions{})
			if err == nil || errors.Is(err, objstore.ErrTransient) {
				t.Errorf("a file of %d bytes announced as %d: %v", size, int64(size)+off, err)
			}
			absent(t, s, "k")
		}
	}
}

func reopenLaw(t *testing.T, s objstore.Store, h Harness) {
	for _, size := range []int{0, 1000, h.Big} {
		src := &source{content: pattern(size), announce: size}
		for _, key := range []string{"a", "b"} {
			if err := s.Put(t.Context(), key, src, objstore.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			holds(t, s, key, src.content, "")
		}
		if src.open != 0 || src.opened < 2 {
			t.Errorf("%d bytes: opened %d times, %d left open", size, src.opened, src.open)
		}
	}
}

func fenceLaw(t *testing.T, s objstore.Store, h Harness) {
	lost := errors.New("the lease is lost")
	for _, size := range []int{10, h.Big} {
		key := "k" + strconv.Itoa(size)
		asked := 0
		refuse := func(context.Context) error { asked++; return lost }
		err := s.Put(t.Context(), key, objstore.Bytes(pattern(size)), objstore.PutOptions{Fence: refuse})
		if !errors.Is(err, lost) || asked != 1 {
			t.Errorf("%d bytes: Put = %v, the fence asked %d times; want its error, once", size, err, asked)
		}
		absent(t, s, key)

		asked = 0
		allow := func(ctx context.Context) error {
			asked++
			if _, err := s.Stat(ctx, key); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("the object can be seen before the fence allows it: %w", err)
			}
			return nil
		}
		put(t, s, key, pattern(size), objstore.PutOptions{Fence: allow, IfAbsent: true})
		if asked != 1 {
			t.Errorf("%d bytes: the fence was asked %d times, want once", size, asked)
		}
		holds(t, s, key, pattern(size), "")
	}
}

func cancelledPutLaw(t *testing.T, s objstore.Store, h Harness) {
	cause := errors.New("the task is over")
	for _, size := range []int{1000, h.Big} {
		ctx, cancel := context.WithCancelCause(t.Context())
		src := &source{content: pattern(size), announce: size, onRead: func() { cancel(cause) }}
		if err := s.Put(ctx, "k", src, objstore.PutOptions{}); !errors.Is(err, cause) {
			t.Errorf("%d bytes: Put = %v, want the context's cause", size, err)
		}
		absent(t, s, "k")
	}
}
