package gcs_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/gcs"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/retry"
	"github.com/millrace/millrace/internal/objstore/transfer"
)

// everyCall returns the errors of all operations on a store, by name.
func everyCall(ctx context.Context, s *gcs.Store) map[string]error {
	errs := objstoretest.Calls(ctx, s)
	_, errs["begin"] = s.Begin(ctx, "k", 1<<30, objstore.PutOptions{})
	return errs
}

// someCalls is one call to a server whose name has to be looked up in vain,
// which takes its time, and every call to others.
func someCalls(ctx context.Context, s *gcs.Store, endpoint string) map[string]error {
	if !strings.HasPrefix(endpoint, "https://") {
		return everyCall(ctx, s)
	}
	_, err := s.Stat(ctx, "k")
	return map[string]error{"stat": err}
}

func open(t *testing.T, cfg gcs.Config, root string) *gcs.Store {
	t.Helper()
	store, err := gcs.NewClients(cfg).Store(root)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestWrongSettingsSayWhatToDo(t *testing.T) {
	server := objstoretest.FakeGCS(t)
	for _, r := range []struct {
		name, endpoint, bucket string
		class                  error // nil: none of the port's
		say                    []string
	}{
		{"no bucket", server.Endpoint, "nowhere", nil, []string{`there is no bucket "nowhere"`, "METAFLOW_DATASTORE_SYSROOT_GS"}},
		{"no server", "127.0.0.1:1", server.Bucket, objstore.ErrTransient, []string{"refused", "STORAGE_EMULATOR_HOST (127.0.0.1:1)"}},
		{"no such host", "https://store.invalid", server.Bucket, objstore.ErrTransient, []string{"store.invalid", "STORAGE_EMULATOR_HOST"}},
		{"in the clear", "http://store.invalid", server.Bucket, fs.ErrPermission, []string{"needs https"}},
		{"no address", "http://", server.Bucket, fs.ErrPermission, []string{"is no address"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			for op, err := range someCalls(t.Context(), open(t, gcs.Config{Endpoint: r.endpoint}, "gs://"+r.bucket+"/root"), r.endpoint) {
				objstoretest.WantError(t, op, err, r.class, append(r.say, "gs://"+r.bucket+"/root/")...)
			}
		})
	}
}

// Without credentials, or with some that are no good, it is said what to do;
// the server that hands out tokens may also be down.
func TestCredentials(t *testing.T) {
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`)
	}))
	t.Cleanup(tokens.Close)
	federated := func(path string) string {
		token := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(token, []byte("t"), 0o600); err != nil {
			t.Fatal(err)
		}
		return `{"type":"external_account","audience":"//iam.googleapis.com/x","subject_token_type":"urn:ietf:params:oauth:token-type:jwt",
			"token_url":"` + tokens.URL + path + `","credential_source":{"file":"` + token + `"}}`
	}
	for name, r := range map[string]struct {
		file  string
		class error
		say   string
	}{
		"no file":  {"", fs.ErrPermission, "gcloud auth application-default login"},
		"not JSON": {"{", fs.ErrPermission, "GOOGLE_APPLICATION_CREDENTIALS"},
		"no kind":  {"{}", fs.ErrPermission, "GOOGLE_APPLICATION_CREDENTIALS"},
		"expired":  {federated("/"), fs.ErrPermission, "have expired"},
		"none now": {federated("/down"), objstore.ErrTransient, "HTTP 503"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "credentials.json")
			if r.file != "" {
				if err := os.WriteFile(path, []byte(r.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
			for op, err := range everyCall(t.Context(), open(t, gcs.Config{}, "gs://bucket/root")) {
				objstoretest.WantError(t, op, err, r.class, r.say)
			}
		})
	}
}

// A server whose every answer is the same.
func answering(t *testing.T, status int, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnswersAreClassified(t *testing.T) {
	for _, r := range []struct {
		status int
		body   string
		class  error
		say    string
	}{
		{503, "", objstore.ErrTransient, "503"},
		{500, `{"error":{"message":"told so"}}`, objstore.ErrTransient, "told so"},
		{429, `<Error><Code>SlowDown</Code></Error>`, objstore.ErrTransient, "SlowDown"},
		{409, "", objstore.ErrTransient, "409"},
		{401, "", fs.ErrPermission, "GOOGLE_APPLICATION_CREDENTIALS"},
		{403, `<Error><Code>AccessDenied</Code></Error>`, fs.ErrPermission, "roles/storage.objectUser"},
		{403, `{"error":{"errors":[{"reason":"userRateLimitExceeded"}]}}`, objstore.ErrTransient, "RateLimit"},
		{404, `<Error><Code>NoSuchBucket</Code></Error>`, nil, "there is no bucket"},
		{400, `{"error":{"message":"told so"}}`, nil, "told so"},
	} {
		store := open(t, gcs.Config{Endpoint: answering(t, r.status, r.body)}, "gs://bucket/root")
		for op, err := range everyCall(t.Context(), store) {
			objstoretest.WantError(t, op, err, r.class, r.say)
		}
	}
}

// A write request that gets no answer ends, since the driver counts on it.
func TestWriteTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	store := open(t, gcs.Config{Endpoint: server.URL, WriteTimeout: 50 * time.Millisecond}, "gs://bucket/root")
	_, begin := store.Begin(t.Context(), "k", 1<<30, objstore.PutOptions{})
	for op, err := range map[string]error{
		"begin":  begin,
		"put":    store.Put(t.Context(), "k", objstore.Bytes("x"), objstore.PutOptions{}),
		"delete": store.Delete(t.Context(), "k"),
	} {
		objstoretest.WantError(t, op, err, objstore.ErrTransient, "no answer within 50ms")
	}
}

// A body that ends before its announced length, or is not what the server has,
// is no content.
func TestBodies(t *testing.T) {
	for name, r := range map[string]struct{ length, hash string }{
		"breaks off":    {"100", ""},
		"is another's":  {"9", "crc32c=AAAAAA=="},
		"two checksums": {"9", "md5=x,crc32c=AAAAAA=="},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", r.length)
			w.Header().Set("X-Goog-Hash", r.hash)
			_, _ = io.WriteString(w, "only this")
		}))
		t.Cleanup(server.Close)
		_, _, err := objstore.ReadAll(t.Context(), open(t, gcs.Config{Endpoint: server.URL}, "gs://bucket/root"), "k", 1000)
		objstoretest.WantError(t, name, err, objstore.ErrTransient)
	}
}

// resumable is a server of one upload that fails some requests, before or after
// it has carried them out.
type resumable struct {
	mu      sync.Mutex
	content []byte
	headers []http.Header
	puts    int
	// trouble says what becomes of a request that brings bytes, by its number.
	trouble map[int]string
}

func (s *resumable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, _ := io.ReadAll(r.Body)
	const total = 3*partSize + 5
	switch span := r.Header.Get("Content-Range"); {
	case r.Method == http.MethodPost:
		w.Header().Set("Location", "http://"+r.Host+"/session")
		return
	case strings.HasPrefix(span, "bytes */"):
	default:
		s.puts++
		s.headers = append(s.headers, r.Header)
		trouble := s.trouble[s.puts]
		if trouble == "half" {
			data = data[:len(data)/2]
		}
		if trouble != "before" {
			s.content = append(s.content, data...)
		}
		if trouble != "" && trouble != "half" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	}
	if len(s.content) < total {
		if len(s.content) > 0 {
			w.Header().Set("Range", "bytes=0-"+strconv.Itoa(len(s.content)-1))
		}
		w.WriteHeader(http.StatusPermanentRedirect)
	}
}

// What fails of an upload is sent again from where the server left off, and the
// object's end goes last, under the fence, with the checksum of all.
func TestUploadIsResumed(t *testing.T) {
	content := strings.Repeat("0123456789abcde\n", 1+3*partSize/16)[:3*partSize+5]
	for name, trouble := range map[string]map[int]string{
		"all goes well":                {},
		"a request is not carried out": {2: "before"},
		"an answer is lost":            {2: "after", 3: "after"},
		"a part is taken by half":      {1: "half"},
		"the end is not carried out":   {5: "before"},
		"the end's answer is lost":     {5: "after"},
	} {
		t.Run(name, func(t *testing.T) {
			server := &resumable{trouble: trouble}
			served := httptest.NewServer(server)
			t.Cleanup(served.Close)
			store := open(t, gcs.Config{Endpoint: served.URL, PartSize: partSize}, "gs://bucket/root")
			again := retry.New(retry.Config{First: time.Millisecond}).Wrap(store)
			fenced := 0
			err := transfer.New(transfer.Config{PartSize: partSize, Whole: partSize}).Wrap(again, again).Put(t.Context(), "k", objstore.Bytes(content), objstore.PutOptions{
				Fence: func(context.Context) error {
					if fenced++; len(server.content) >= len(content) && trouble[5] != "after" {
						t.Error("the object is there before the fence is asked")
					}
					return nil
				},
			})
			if err != nil || string(server.content) != content || fenced == 0 {
				t.Errorf("Put = %v, the server has %d bytes, the fence was asked %d times", err, len(server.content), fenced)
			}
			if last := server.headers[len(server.headers)-1]; !strings.HasPrefix(last.Get("X-Goog-Hash"), "crc32c=") {
				t.Errorf("the end came without a checksum: %v", last)
			}
		})
	}
}

func TestRoots(t *testing.T) {
	clients := gcs.NewClients(gcs.Config{})
	for _, root := range []string{"", "bucket/x", "gs://", "gs:///x", "gs://a b/x", "s3://bucket/x", "gs://b?x/y"} {
		if _, err := clients.Store(root); err == nil || !strings.Contains(err.Error(), "want gs://bucket/prefix") {
			t.Errorf("root %q: %v", root, err)
		}
	}
}
