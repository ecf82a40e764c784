// Package objstoretest holds the laws of an objstore.Store, run by every
// adapter's tests, a wrapper that fails on demand, and a real S3 server.
package objstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
)

// Harness is one kind of store under test.
type Harness struct {
	// Fresh makes an empty store.
	Fresh func(t *testing.T) objstore.Store
	// Big is a size that the adapter writes in more than one request, or in
	// more than one piece.
	Big int
	// Without holds letters that the store takes no keys with.
	Without string
	// Page is how many objects one answer to a listing holds (default 1000).
	Page int
	// Streams says that the store takes an object while it is made.
	Streams bool
}

type law struct {
	name string
	law  func(*testing.T, objstore.Store, Harness)
}

// Exercise runs the laws.
func Exercise(t *testing.T, h Harness) {
	for _, l := range append(append(objectLaws(), writeLaws()...), listLaws()...) {
		t.Run(l.name, func(t *testing.T) { l.law(t, h.Fresh(t), h) })
	}
}

// attributes is metadata as Metaflow writes it.
func attributes(text string) objstore.Metadata {
	return objstore.Metadata{objstore.UserAttributes: text}
}

const (
	gzipped = `{"cas_raw": false, "cas_version": 1}`
	raw     = `{"cas_raw": true, "cas_version": 1}`
)

func put(t *testing.T, s objstore.Store, key, content string, opts objstore.PutOptions) {
	t.Helper()
	if err := s.Put(t.Context(), key, objstore.Bytes(content), opts); err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
}

func get(t *testing.T, s objstore.Store, key string, r objstore.Range) (string, objstore.Info) {
	t.Helper()
	content, info, err := read(t.Context(), s, key, r)
	if err != nil {
		t.Fatalf("Get(%q, %v): %v", key, r, err)
	}
	return content, info
}

func read(ctx context.Context, s objstore.Store, key string, r objstore.Range) (content string, info objstore.Info, err error) {
	err = s.Get(ctx, key, r, func(i objstore.Info, body io.Reader) error {
		data, err := io.ReadAll(body)
		content, info = string(data), i
		return err
	})
	return content, info, err
}

// holds fails unless the key has exactly this content and attributes.
func holds(t *testing.T, s objstore.Store, key, content, wantAttributes string) {
	t.Helper()
	got, info := get(t, s, key, objstore.Whole)
	if got != content {
		t.Errorf("%q holds %s, want %s", key, brief(got), brief(content))
	}
	if info.Metadata[objstore.UserAttributes] != wantAttributes {
		t.Errorf("%q has attributes %q, want %q", key, info.Metadata[objstore.UserAttributes], wantAttributes)
	}
}

func absent(t *testing.T, s objstore.Store, key string) {
	t.Helper()
	if _, err := s.Stat(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat(%q) = %v, want fs.ErrNotExist", key, err)
	}
	if keys := list(t, s, ""); strings.Contains("\n"+keys+"\n", "\n"+key+"\n") {
		t.Errorf("%q is listed", key)
	}
}

// list returns the keys, one a line.
func list(t *testing.T, s objstore.Store, prefix string) string {
	t.Helper()
	var keys []string
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		keys = append(keys, info.Key)
	}
	return strings.Join(keys, "\n")
}

func brief(text string) string {
	if len(text) <= 40 {
		return strconv.Quote(text)
	}
	return fmt.Sprintf("%q... of %d bytes", text[:40], len(text))
}

// pattern is content in which no two stretches are alike.
func pattern(size int) string {
	var b bytes.Buffer
	b.Grow(size + 16)
	for n := 0; b.Len() < size; n++ {
		b.WriteString(strconv.Itoa(n))
		b.WriteByte(' ')
	}
	return b.String()[:size]
}
