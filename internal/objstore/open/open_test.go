package open_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/open"
)

func TestLawsOnFiles(t *testing.T) {
	objstoretest.Exercise(t, objstoretest.Harness{Big: 300_000, Fresh: func(t *testing.T) objstore.Store {
		store, err := open.New(open.Options{}).Store("local", t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return store
	}})
}

func TestStores(t *testing.T) {
	rows := []struct{ typ, root, problem string }{
		{"local", "/data/.metaflow", ""},
		{"local", ".metaflow", "needs an absolute path"},
		{"local", "", "needs an absolute path"},
		{"s3", "s3://bucket", ""},
		{"s3", "s3://bucket/a/b/", ""},
		{"s3", "bucket/a", "want s3://bucket/prefix"},
		{"s3", "s3://", "want s3://bucket/prefix"},
		{"gs", "gs://bucket", ""},
		{"gs", "gs://bucket/a/b/", ""},
		{"gs", "s3://bucket/a", "want gs://bucket/prefix"},
		{"azure", "container", ""},
		{"azure", "container/a/b", ""},
		{"azure", "gs://bucket/a", "want container/prefix"},
		{"azure", "/container", "want container/prefix"},
		{"ftp", "ftp://x", "is unknown"},
	}
	stores := open.New(open.Options{})
	for _, r := range rows {
		_, err := stores.Store(r.typ, r.root)
		if (err == nil) != (r.problem == "") || err != nil && !strings.Contains(err.Error(), r.problem) {
			t.Errorf("Store(%q, %q) = %v, want %q", r.typ, r.root, err, r.problem)
		}
	}
}

func TestTypes(t *testing.T) {
	rows := []struct{ url, want string }{
		{"/data/.metaflow", "local"},
		{"s3://bucket/x", "s3"},
		{"gs://bucket/x", "gs"},
		{"azure://container/x", "azure"},
		{"relative/path", ""},
		{"container/prefix", ""},
		{"https://host/x", ""},
		{"file:///x", ""},
		{"", ""},
	}
	for _, r := range rows {
		got, err := open.Type(r.url)
		if got != r.want || (err == nil) != (r.want != "") {
			t.Errorf("Type(%q) = %q, %v; want %q", r.url, got, err, r.want)
		}
	}
}

func TestObjects(t *testing.T) {
	rows := []struct{ url, key, problem string }{
		{"/data/F/ab/abcd", "abcd", ""},
		{"/abcd", "abcd", ""},
		{"/", "", "names no object"},
		{"s3://bucket/F/ab/abcd", "abcd", ""},
		{"s3://bucket/abcd", "abcd", ""},
		{"s3://bucket", "", "names a bucket"},
		{"s3://bucket/F/", "", "names no object"},
		{"s3://bucket/..", "", "names no object"},
		{"gs://bucket/F/abcd", "abcd", ""},
		{open.URL("gs", "gs://bucket/F/abcd"), "abcd", ""},
		{"azure://container/F/abcd", "abcd", ""},
		{open.URL("azure", "container/F/abcd"), "abcd", ""},
		{open.URL("azure", "azure://container/abcd"), "abcd", ""},
		{"azure://container", "", "names a bucket"},
		{"relative", "", "is no place of a datastore"},
	}
	stores := open.New(open.Options{})
	for _, r := range rows {
		_, key, err := stores.Object(r.url)
		if r.problem == "" && (err != nil || key != r.key) || r.problem != "" && (err == nil || !strings.Contains(err.Error(), r.problem)) {
			t.Errorf("Object(%q) = %q, %v; want %q, %q", r.url, key, err, r.key, r.problem)
		}
	}
}

func TestOneStorePerRoot(t *testing.T) {
	stores, root := open.New(open.Options{}), t.TempDir()
	first, err := stores.Root(root)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := stores.Root(root); err != nil || again != first {
		t.Errorf("a second store of one root, %v", err)
	}
	if other, err := stores.Root(filepath.Join(root, "other")); err != nil || other == first {
		t.Errorf("two roots share a store, %v", err)
	}
	// What was written through the root is found by its URL.
	if err := first.Put(t.Context(), "F/k", objstore.Bytes("x"), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	store, key, err := stores.Object(filepath.Join(root, "F/k"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Stat(t.Context(), key); err != nil {
		t.Error(err)
	}
}

func TestSettingsOfMetaflow(t *testing.T) {
	server := objstoretest.VersityGW(t)
	variables := map[string]string{"METAFLOW_S3_ENDPOINT_URL": server.Endpoint}
	stores := open.New(open.Options{}.FromEnvironment(func(name string) string { return variables[name] }))
	store, err := stores.Root("s3://" + server.Bucket + "/metaflow")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), "F/k", objstore.Bytes("x"), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if data, _, err := objstore.ReadAll(t.Context(), store, "F/k", 10); string(data) != "x" {
		t.Errorf("read %q, %v", data, err)
	}
}
