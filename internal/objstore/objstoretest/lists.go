package objstoretest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

func listLaws() []law {
	return []law{
		{"a list is in key order, cut by prefix", listLaw},
		{"a list may be left early", leaveLaw},
		{"a list has every page", pagesLaw},
	}
}

func listLaw(t *testing.T, s objstore.Store, _ Harness) {
	if got := list(t, s, ""); got != "" {
		t.Errorf("a new store lists %q", got)
	}
	// Folders whose names sort around the slash.
	keys := []string{"a-b/1", "a.c", "a/0.log", "a/1.log", "a/10.log", "a/2/x", "a0", "b/run-1/t/0.attempt.json", "b/run-10/t/0.attempt.json", "b/run-2/t", "c"}
	for _, key := range slices.Backward(keys) {
		put(t, s, key, strings.Repeat("x", len(key)), objstore.PutOptions{Metadata: attributes(raw)})
	}
	for _, prefix := range []string{"", "a", "a/", "a/1", "a/1.log", "a/2", "b/run-1", "b/run-1/", "b/run-1/t/0.", "c", "d", "a/2/x/", "nothing/here", "/", "../"} {
		var want []string
		for _, key := range keys {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if got := list(t, s, prefix); got != strings.Join(want, "\n") {
			t.Errorf("List(%q) =\n%s\nwant\n%s", prefix, got, strings.Join(want, "\n"))
		}
	}
	for info, err := range s.List(t.Context(), "") {
		if err != nil || info.Size != int64(len(info.Key)) || info.Modified.IsZero() {
			t.Errorf("listed %+v, %v", info, err)
		}
	}
}

func leaveLaw(t *testing.T, s objstore.Store, _ Harness) {
	for _, key := range []string{"a", "b", "c/d"} {
		put(t, s, key, key, objstore.PutOptions{})
	}
	seen := 0
	for _, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("saw %d objects, want 2", seen)
	}
}

func pagesLaw(t *testing.T, s objstore.Store, h Harness) {
	objects := cmp.Or(h.Page, 1000) + 5
	var group errgroup.Group
	group.SetLimit(16)
	var want []string
	for n := range objects {
		key := fmt.Sprintf("p/%05d", n)
		want = append(want, key)
		group.Go(func() error { return s.Put(t.Context(), key, objstore.Bytes("x"), objstore.PutOptions{}) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s, "p/"); got != strings.Join(want, "\n") {
		t.Errorf("%d lines listed, want %d in order", strings.Count(got, "\n")+1, objects)
	}
}
