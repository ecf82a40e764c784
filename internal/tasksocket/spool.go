package tasksocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/millrace/millrace/internal/objstore"
)

// handed is a file that the child has handed over. It is read through the one
// descriptor that was checked, whatever becomes of its name.
type handed struct {
	file *os.File
	size int64
}

// take opens a file of the spool folder. Its name goes at once: the child has
// given it away.
func (s *Server) take(name string) (*handed, error) {
	base := filepath.Base(name)
	if !filepath.IsAbs(name) || filepath.Dir(name) != s.cfg.SpoolDir || filepath.Join(s.cfg.SpoolDir, base) != name {
		return nil, invalid("file %.200q does not lie in the spool folder %s", name, s.cfg.SpoolDir)
	}
	// O_NONBLOCK: a pipe put there must not hold us.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, fs.ErrNotExist) {
		return nil, invalid("file %s is no file of the child's: %v", name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("taking the child's file: %w", err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = invalid("%s is no regular file", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	os.Remove(name)
	return &handed{file: f, size: st.Size()}, nil
}

// Open implements objstore.Source.
func (h *handed) Open() (io.ReadCloser, error) {
	return section{io.NewSectionReader(h.file, 0, h.size)}, nil
}

// section can seek, unlike what io.NopCloser returns: adapters need no copy in
// memory then to send a body twice.
type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// Size implements objstore.Source.
func (h *handed) Size() int64 { return h.size }

func (h *handed) release() { h.file.Close() }

// loadName is the path of a new file that will be the child's.
func (s *Server) loadName() string { return s.spoolName("load") }

func (s *Server) spoolName(kind string) string {
	return filepath.Join(s.cfg.SpoolDir, fmt.Sprintf("%s-%d-%d", kind, os.Getpid(), s.loaded.Add(1)))
}

// download writes a plain object to a new file and returns its attributes.
func download(ctx context.Context, store objstore.Store, key, name string) (meta any, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", key, err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("load %s: %w", key, cerr)
		}
		if err != nil {
			os.Remove(name)
		}
	}()
	err = store.Get(ctx, key, objstore.Whole, func(i objstore.Info, r io.Reader) error {
		// The callback may run again: begin afresh.
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		meta = attributes(i)
		_, err := io.Copy(f, r)
		return err
	})
	return meta, err
}

// spool puts a reply that fits no frame into a file and returns the frame that
// says so.
func (s *Server) spool(reply []byte) ([]byte, error) {
	name := s.spoolName("reply")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spooling a reply: %w", err)
	}
	_, err = io.Copy(f, bytes.NewReader(reply))
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(name)
		return nil, fmt.Errorf("spooling a reply: %w", err)
	}
	return json.Marshal(fields{"ok": true, "reply_file": name})
}
