package s3_test

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/retry"
	"github.com/millrace/millrace/internal/objstore/s3"
	"github.com/millrace/millrace/internal/objstore/transfer"
)

func open(t *testing.T, cfg s3.Config, root string) *s3.Store {
	t.Helper()
	store, err := s3.NewClients(cfg).Store(root)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestWrongSettingsSayWhatToDo(t *testing.T) {
	server := objstoretest.VersityGW(t)
	rows := []struct {
		name, secret, endpoint, bucket string
		class                          error // nil: none of the port's
		say                            []string
	}{
		{"wrong secret", "wrong", server.Endpoint, server.Bucket, fs.ErrPermission, []string{"AWS_SECRET_ACCESS_KEY", "s3://flows/root/"}},
		{"no bucket", "", server.Endpoint, "nowhere", nil, []string{`there is no bucket "nowhere"`, "METAFLOW_DATASTORE_SYSROOT_S3"}},
		{"no server", "", "http://127.0.0.1:1", server.Bucket, objstore.ErrTransient, []string{"refused", "METAFLOW_S3_ENDPOINT_URL (http://127.0.0.1:1)"}},
		{"no TLS", "", strings.Replace(server.Endpoint, "http:", "https:", 1), server.Bucket, nil, []string{"does not speak TLS"}},
		{"no such host", "", "http://store.invalid", server.Bucket, objstore.ErrTransient, []string{"store.invalid", "METAFLOW_S3_ENDPOINT_URL"}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if r.secret != "" {
				server.Login(t, r.secret)
			}
			store := open(t, s3.Config{Endpoint: r.endpoint}, "s3://"+r.bucket+"/root")
			for op, err := range objstoretest.Calls(t.Context(), store) {
				objstoretest.WantError(t, op, err, r.class, append(r.say, op)...)
				if err != nil && r.secret != "" && strings.Contains(err.Error(), r.secret+"-secret") {
					t.Errorf("%s: the error holds the secret: %v", op, err)
				}
			}
		})
	}
}

// A server whose every answer is the same.
func answering(t *testing.T, status int, code string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("X-Amz-Bucket-Region", "eu-north-1")
		w.WriteHeader(status)
		if code != "" && r.Method != http.MethodHead {
			_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>told so</Message></Error>")
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func login(t *testing.T) { new(objstoretest.S3).Login(t, "any") }

func TestAnswersAreClassified(t *testing.T) {
	login(t)
	rows := []struct {
		status int
		code   string
		class  error
		say    string
	}{
		{503, "SlowDown", objstore.ErrTransient, "SlowDown"},
		{503, "", objstore.ErrTransient, "503"},
		{500, "InternalError", objstore.ErrTransient, "told so"},
		{502, "", objstore.ErrTransient, "502"},
		{429, "", objstore.ErrTransient, "429"},
		{409, "OperationAborted", objstore.ErrTransient, "OperationAborted"},
		{400, "RequestTimeout", objstore.ErrTransient, "RequestTimeout"},
		{400, "ExpiredToken", fs.ErrPermission, "AWS_SESSION_TOKEN"},
		{403, "AccessDenied", fs.ErrPermission, "s3:ListBucket"},
		{403, "RequestTimeTooSkewed", fs.ErrPermission, "clock"},
		{403, "", fs.ErrPermission, "s3:ListBucket"},
		{403, "InvalidAccessKeyId", fs.ErrPermission, "AWS_ACCESS_KEY_ID"},
		{301, "PermanentRedirect", fs.ErrPermission, "in another region, eu-north-1 (PermanentRedirect): set AWS_REGION"},
		{400, "AuthorizationHeaderMalformed", fs.ErrPermission, "AWS_REGION"},
		{404, "NoSuchBucket", nil, "METAFLOW_DATASTORE_SYSROOT_S3"},
		{400, "InvalidArgument", nil, "told so"},
	}
	for _, r := range rows {
		t.Run(strings.TrimSpace(http.StatusText(r.status)+" "+r.code), func(t *testing.T) {
			store := open(t, s3.Config{Endpoint: answering(t, r.status, r.code)}, "s3://bucket/root")
			for op, err := range objstoretest.Calls(t.Context(), store) {
				if err == nil || r.class != nil && !errors.Is(err, r.class) || r.class == nil && errors.Is(err, objstore.ErrTransient) {
					t.Errorf("%s: %v: not of the class %v", op, err, r.class)
				} else if !strings.Contains(err.Error(), r.say) {
					t.Errorf("%s: %v: does not say %q", op, err, r.say)
				}
			}
		})
	}
}

// Who gets no credentials is told why; the server that hands them out may also
// be down.
func TestCredentials(t *testing.T) {
	login(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	for name, r := range map[string]struct {
		role  string
		class error
		say   string
	}{
		"no role":        {"", fs.ErrPermission, "there are no credentials: set AWS_ACCESS_KEY_ID"},
		"role not given": {answering(t, 403, ""), fs.ErrPermission, "(HTTP 403): check its role"},
		"none now":       {answering(t, 503, ""), objstore.ErrTransient, "HTTP 503"},
		"too many":       {answering(t, 429, ""), objstore.ErrTransient, "HTTP 429"},
		"not there":      {"http://127.0.0.1:1/role", objstore.ErrTransient, "server of credentials cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", r.role)
			for op, err := range objstoretest.Calls(t.Context(), open(t, s3.Config{}, "s3://bucket/root")) {
				objstoretest.WantError(t, op, err, r.class, r.say)
			}
		})
	}
}

// A write request that gets no answer ends, since the driver counts on it.
func TestWriteTimeout(t *testing.T) {
	login(t)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	store := open(t, s3.Config{Endpoint: server.URL, WriteTimeout: 50 * time.Millisecond}, "s3://bucket/root")
	for op, err := range map[string]error{
		"put":    store.Put(t.Context(), "k", objstore.Bytes("x"), objstore.PutOptions{}),
		"delete": store.Delete(t.Context(), "k"),
	} {
		if !errors.Is(err, objstore.ErrTransient) || !strings.Contains(err.Error(), "no answer within 50ms") {
			t.Errorf("%s without an answer = %v", op, err)
		}
	}
}

// A body that ends before its announced length is no content.
func TestBodyBreaksOff(t *testing.T) {
	login(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "only this")
	}))
	t.Cleanup(server.Close)
	store := open(t, s3.Config{Endpoint: server.URL}, "s3://bucket/root")
	_, _, err := objstore.ReadAll(t.Context(), store, "k", 1000)
	if !errors.Is(err, objstore.ErrTransient) {
		t.Errorf("a body that breaks off = %v, want a transient failure", err)
	}
}

// A part that fails is sent again alone; a part that cannot be sent ends the
// upload, and its parts are removed.
func TestParts(t *testing.T) {
	login(t)
	for name, r := range map[string]struct {
		fail    int32
		parts   int32
		aborted bool
	}{"one fails once": {1, 4, false}, "all fail": {1000, 0, true}} {
		t.Run(name, func(t *testing.T) {
			var failures, parts atomic.Int32
			var aborted, completed atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				_, _ = io.Copy(io.Discard, req.Body)
				query := req.URL.Query()
				switch {
				case query.Has("uploads"):
					_, _ = io.WriteString(w, "<R><UploadId>u</UploadId></R>")
				case query.Has("partNumber") && failures.Add(1) <= r.fail:
					w.WriteHeader(http.StatusServiceUnavailable)
				case query.Has("partNumber"):
					parts.Add(1)
					w.Header().Set("ETag", `"e"`)
				case req.Method == http.MethodDelete:
					aborted.Store(true)
					w.WriteHeader(http.StatusNoContent)
				default:
					completed.Store(true)
					_, _ = io.WriteString(w, "<R><ETag>e</ETag></R>")
				}
			}))
			t.Cleanup(server.Close)
			again := retry.New(retry.Config{First: time.Millisecond, Budget: 20 * time.Millisecond})
			bare := open(t, s3.Config{Endpoint: server.URL, PartSize: 1000}, "s3://bucket/root")
			store := transfer.New(transfer.Config{Whole: 1000}).Wrap(bare, again.Wrap(bare))
			err := store.Put(t.Context(), "k", objstore.Bytes(slices.Repeat([]byte("x"), 3500)), objstore.PutOptions{})
			if (err != nil) != r.aborted || err != nil && !errors.Is(err, objstore.ErrTransient) {
				t.Errorf("Put = %v", err)
			}
			if parts.Load() != r.parts || aborted.Load() != r.aborted || completed.Load() == r.aborted {
				t.Errorf("%d parts, aborted %v, completed %v", parts.Load(), aborted.Load(), completed.Load())
			}
		})
	}
}

func TestRoots(t *testing.T) {
	clients := s3.NewClients(s3.Config{})
	for _, root := range []string{"", "bucket/x", "s3://", "s3:///x", "s3://a b/x", "gs://bucket/x", "s3://b?x/y"} {
		if _, err := clients.Store(root); err == nil || !strings.Contains(err.Error(), "want s3://bucket/prefix") {
			t.Errorf("root %q: %v", root, err)
		}
	}
}
