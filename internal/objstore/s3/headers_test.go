package s3_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/s3"
)

// TestHeaders: what Metaflow's own client sends, in one request and in parts.
func TestHeaders(t *testing.T) {
	login(t)
	var mu sync.Mutex
	var made, visible []http.Header // of requests that make an object, that show it
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		query := r.URL.Query()
		switch {
		case query.Has("partNumber"):
			w.Header().Set("ETag", `"e"`)
		case query.Has("uploads"):
			made = append(made, r.Header)
			_, _ = io.WriteString(w, "<R><UploadId>u</UploadId></R>")
		case query.Has("uploadId"):
			visible = append(visible, r.Header)
			_, _ = io.WriteString(w, "<R><ETag>e</ETag></R>")
		default:
			if r.URL.Path != "/bucket/pre/fix/F/k" {
				t.Errorf("the path is %s", r.URL.Path)
			}
			made, visible = append(made, r.Header), append(visible, r.Header)
		}
	}))
	t.Cleanup(server.Close)
	const attributes = `{"cas_raw": false, "cas_version": 1}`
	store := open(t, s3.Config{Endpoint: server.URL, Encryption: "aws:kms", PartSize: 1000}, "s3://bucket/pre/fix/")
	for _, size := range []int{10, 2500} {
		content := objstore.Bytes(slices.Repeat([]byte("x"), size))
		opts := objstore.PutOptions{IfAbsent: true, Metadata: objstore.Metadata{objstore.UserAttributes: attributes}}
		if err := store.Put(t.Context(), "F/k", content, opts); err != nil {
			t.Fatal(err)
		}
	}
	if len(made) != 2 || len(visible) != 2 {
		t.Fatalf("%d objects made, %d shown", len(made), len(visible))
	}
	for i, h := range made {
		if got := h.Get("x-amz-meta-metaflow-user-attributes"); got != attributes {
			t.Errorf("put %d has the attributes %q", i, got)
		}
		if got := h.Get("x-amz-server-side-encryption"); got != "aws:kms" {
			t.Errorf("put %d asks for the encryption %q", i, got)
		}
	}
	for i, h := range visible {
		if h.Get("If-None-Match") != "*" {
			t.Errorf("put %d shows the object unconditionally", i)
		}
	}
	err := store.Put(t.Context(), "k", objstore.Bytes("x"), objstore.PutOptions{Metadata: objstore.Metadata{"a": "two\nlines"}})
	if err == nil || !strings.Contains(err.Error(), "does not fit into a header") {
		t.Errorf("metadata of two lines: %v", err)
	}
}
