package objstoretest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
)

func objectLaws() []law {
	return []law{
		{"an object comes back with its attributes", roundTripLaw},
		{"an object may be empty", emptyLaw},
		{"a range is cut at the end", rangeLaw},
		{"a missing key is fs.ErrNotExist", missingLaw},
		{"bad keys are refused", badKeyLaw},
		{"keys may hold any letters", unicodeLaw},
		{"a callback's error ends the get", callbackLaw},
		{"a callback may stop early", earlyLaw},
		{"a deleted object is gone", deleteLaw},
		{"an ended context ends every call", cancelLaw},
	}
}

func roundTripLaw(t *testing.T, s objstore.Store, _ Harness) {
	for key, want := range map[string]string{"F/data/ab/abcd": gzipped, "F/data/ef/efgh": raw, "plain": ""} {
		var md objstore.Metadata
		if want != "" {
			md = attributes(want)
		}
		put(t, s, key, "content of "+key, objstore.PutOptions{Metadata: md})
		holds(t, s, key, "content of "+key, want)
		info, err := s.Stat(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if info.Key != key || info.Size != int64(len("content of "+key)) || info.Modified.IsZero() || info.Metadata[objstore.UserAttributes] != want {
			t.Errorf("Stat(%q) = %+v", key, info)
		}
	}
}

func emptyLaw(t *testing.T, s objstore.Store, _ Harness) {
	put(t, s, "empty", "", objstore.PutOptions{Metadata: attributes(raw)})
	holds(t, s, "empty", "", raw)
	if got, info := get(t, s, "empty", objstore.Range{Offset: 0, Length: 10}); got != "" || info.Size != 0 {
		t.Errorf("a range of nothing is %q of %d bytes", got, info.Size)
	}
	if err := s.Put(t.Context(), "empty", objstore.Bytes("x"), objstore.PutOptions{IfAbsent: true}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("put if absent over an empty object: %v, want fs.ErrExist", err)
	}
}

func rangeLaw(t *testing.T, s objstore.Store, h Harness) {
	content := pattern(h.Big)
	put(t, s, "ranges", content, objstore.PutOptions{Metadata: attributes(raw)})
	size := int64(h.Big)
	for _, span := range [][2]int64{
		{0, -1},
		{0, 0},
		{0, 1},
		{0, size},
		{0, size + 1},
		{1, -1},
		{7, 100},
		{size / 2, size},
		{size - 1, 1},
		{size - 1, -1},
		{size, 0},
		{size, 1},
		{size, -1},
		{size + 10, 5},
		{size + 10, -1},
		{5, 0},
	} {
		r := objstore.Range{Offset: span[0], Length: span[1]}
		from := min(r.Offset, size)
		to := size
		if r.Length >= 0 {
			to = min(from+r.Length, size)
		}
		got, info := get(t, s, "ranges", r)
		if want := content[from:to]; got != want {
			t.Errorf("%+v is %s, want %s", r, brief(got), brief(want))
		}
		if info.Size != size || info.Key != "ranges" || info.Metadata[objstore.UserAttributes] != raw {
			t.Errorf("%+v describes the object as %+v", r, info)
		}
	}
}

func missingLaw(t *testing.T, s objstore.Store, _ Harness) {
	put(t, s, "folder/there", "x", objstore.PutOptions{})
	for _, key := range []string{"nothing", "folder", "folder/ther", "folder/other/deep", "none/at/all"} {
		if _, err := s.Stat(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat(%q) = %v, want fs.ErrNotExist", key, err)
		}
		for _, r := range []objstore.Range{objstore.Whole, {Offset: 0, Length: 0}, {Offset: 5, Length: 5}} {
			err := s.Get(t.Context(), key, r, func(objstore.Info, io.Reader) error {
				t.Errorf("Get(%q, %v) called back", key, r)
				return nil
			})
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Get(%q, %v) = %v, want fs.ErrNotExist", key, r, err)
			} else if !strings.Contains(err.Error(), key) {
				t.Errorf("the error %q does not name %q", err, key)
			}
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q) = %v, want nothing", key, err)
		}
	}
	holds(t, s, "folder/there", "x", "")
}

func badKeyLaw(t *testing.T, s objstore.Store, _ Harness) {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\x00b", "a\xffb", strings.Repeat("k/", 600) + "k",
	} {
		_, statErr := s.Stat(t.Context(), key)
		for op, err := range map[string]error{
			"stat":   statErr,
			"get":    s.Get(t.Context(), key, objstore.Whole, func(objstore.Info, io.Reader) error { return nil }),
			"put":    s.Put(t.Context(), key, objstore.Bytes("x"), objstore.PutOptions{}),
			"delete": s.Delete(t.Context(), key),
		} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s %q = %v, want fs.ErrInvalid", op, key, err)
			}
		}
	}
	if keys := list(t, s, ""); keys != "" {
		t.Errorf("objects came to be: %q", keys)
	}
}

func unicodeLaw(t *testing.T, s objstore.Store, h Harness) {
	keys := []string{
		"0..a", "1 100%/20%20", "2 a b+c&d=e?f#g", `3 'quote" \back`, "4 ~tilde*", "5 ключ/ü/ñ", "6 名前", "7 😀", "8 .hidden", "9 x..",
	}
	keys = slices.DeleteFunc(keys, func(key string) bool {
		if h.Without == "" || !strings.ContainsAny(key, h.Without) {
			return false
		}
		if err := s.Put(t.Context(), key, objstore.Bytes("x"), objstore.PutOptions{}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("put %q = %v, want fs.ErrInvalid", key, err)
		}
		return true
	})
	for _, key := range keys {
		put(t, s, key, "at "+key, objstore.PutOptions{})
	}
	for _, key := range keys {
		holds(t, s, key, "at "+key, "")
	}
	if got, want := list(t, s, ""), strings.Join(keys, "\n"); got != want {
		t.Errorf("listed\n%s\nwant\n%s", got, want)
	}
	for _, key := range keys {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q): %v", key, err)
		}
	}
	if got := list(t, s, ""); got != "" {
		t.Errorf("left over: %s", got)
	}
}

func callbackLaw(t *testing.T, s objstore.Store, _ Harness) {
	put(t, s, "k", "content", objstore.PutOptions{})
	own, calls := errors.New("the caller's own"), 0
	err := s.Get(t.Context(), "k", objstore.Whole, func(objstore.Info, io.Reader) error { calls++; return own })
	if !errors.Is(err, own) || calls != 1 {
		t.Errorf("Get = %v after %d calls, want the callback's error after one", err, calls)
	}
}

func earlyLaw(t *testing.T, s objstore.Store, h Harness) {
	put(t, s, "k", pattern(h.Big), objstore.PutOptions{})
	for range 3 {
		err := s.Get(t.Context(), "k", objstore.Whole, func(_ objstore.Info, r io.Reader) error {
			_, err := io.ReadFull(r, make([]byte, 10))
			return err
		})
		if err != nil {
			t.Errorf("Get that reads ten bytes: %v", err)
		}
	}
}

func deleteLaw(t *testing.T, s objstore.Store, _ Harness) {
	put(t, s, "a/k", "old", objstore.PutOptions{Metadata: attributes(gzipped)})
	put(t, s, "a/other", "stays", objstore.PutOptions{})
	for range 2 {
		if err := s.Delete(t.Context(), "a/k"); err != nil {
			t.Fatal(err)
		}
		absent(t, s, "a/k")
	}
	// Nothing of the object before clings to the key.
	put(t, s, "a/k", "new", objstore.PutOptions{IfAbsent: true})
	holds(t, s, "a/k", "new", "")
	holds(t, s, "a/other", "stays", "")
}

func cancelLaw(t *testing.T, s objstore.Store, h Harness) {
	put(t, s, "k", pattern(h.Big), objstore.PutOptions{})
	cause := errors.New("the task is over")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, statErr := s.Stat(ended, "k")
	var listErr error
	for _, err := range s.List(ended, "") {
		listErr = err
	}
	_, _, getErr := read(ended, s, "k", objstore.Whole)
	for op, err := range map[string]error{
		"stat": statErr, "list": listErr, "get": getErr,
		"put": s.Put(ended, "new", objstore.Bytes("x"), objstore.PutOptions{}), "delete": s.Delete(ended, "k"),
	} {
		if !errors.Is(err, cause) {
			t.Errorf("%s in an ended context = %v, want its cause", op, err)
		}
	}
	absent(t, s, "new")

	ctx, cancel := context.WithCancelCause(t.Context())
	err := s.Get(ctx, "k", objstore.Whole, func(_ objstore.Info, r io.Reader) error {
		if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
			return err
		}
		cancel(cause)
		// What is buffered already may still come.
		_, err := io.Copy(io.Discard, io.LimitReader(r, int64(2*h.Big)))
		return err
	})
	if !errors.Is(err, cause) {
		t.Errorf("a get whose context ends in the middle = %v, want its cause", err)
	}
}
