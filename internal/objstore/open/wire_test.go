package open_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/open"
)

// leastPart is the least that S3 takes for a part.
const leastPart = 5 << 20

// wire is a bad line to a real S3 server: what the client sends goes through
// toxiproxy, where bytes suffer, then through a proxy that knows requests,
// counts them and may answer in the server's place.
type wire struct {
	t     *testing.T
	toxic *toxiproxy.Proxy
	store objstore.Store
	// before may answer a request, after may answer it once it was carried
	// out; 0 leaves it alone. Set before the first request.
	before, after func(kind string) int
	// onWait is called at every wait that is logged, with the count so far.
	onWait func(waits int)

	mu       sync.Mutex
	requests []string
	waits    []string
}

func newWire(t *testing.T, server *objstoretest.S3, options open.Options) *wire {
	t.Helper()
	w := &wire{t: t}
	gateway, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(w.counting(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(gateway)
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // what the client gives up, it logs
	}))
	t.Cleanup(front.Close)
	address, _ := strings.CutPrefix(front.URL, "http://")
	w.toxic = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), "127.0.0.1:0", address)
	if err := w.toxic.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.toxic.Stop)
	options.S3Endpoint = "http://" + w.toxic.Listen
	options.Logger = slog.New(waitHandler{slog.DiscardHandler, w})
	options.PartSize = leastPart
	options.FirstWait = 20 * time.Millisecond
	root := "s3://" + server.Bucket + "/" + strings.NewReplacer("/", "-", ",", "").Replace(t.Name())
	if w.store, err = open.New(options).Root(root); err != nil {
		t.Fatal(err)
	}
	return w
}

// kind names a request: "get 0-5242879", "part 2", "begin", "complete", "put".
func kind(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case q.Has("uploads"):
		return "begin"
	case q.Has("partNumber"):
		return "part " + q.Get("partNumber")
	case q.Has("uploadId") && r.Method == http.MethodPost:
		return "complete"
	case q.Has("uploadId"):
		return "abort"
	case r.Header.Get("Range") != "":
		return "get " + strings.TrimPrefix(r.Header.Get("Range"), "bytes=")
	}
	return strings.ToLower(r.Method)
}

func (w *wire) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		k := kind(r)
		w.mu.Lock()
		w.requests = append(w.requests, k)
		w.mu.Unlock()
		if status := ask(w.before, k); status > 0 {
			_, _ = io.Copy(io.Discard, r.Body)
			trouble(rw, status)
			return
		}
		if w.after == nil {
			next.ServeHTTP(rw, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if status := ask(w.after, k); status > 0 {
			trouble(rw, status)
			return
		}
		for name, values := range answer.Header() {
			rw.Header()[name] = values
		}
		rw.WriteHeader(answer.Code)
		_, _ = rw.Write(answer.Body.Bytes())
	})
}

func ask(f func(string) int, kind string) int {
	if f == nil {
		return 0
	}
	return f(kind)
}

// trouble answers as S3 does when it has too much to do.
func trouble(rw http.ResponseWriter, status int) {
	rw.Header().Set("Content-Type", "application/xml")
	rw.WriteHeader(status)
	code := map[int]string{500: "InternalError", 503: "SlowDown"}[status]
	_, _ = io.WriteString(rw, "<Error><Code>"+code+"</Code><Message>trouble</Message></Error>")
}

// suffer adds a toxic, until the wait of that number.
func (w *wire) suffer(toxic string, waits int) {
	w.t.Helper()
	added, err := w.toxic.Toxics.AddToxicJson(strings.NewReader(toxic))
	if err != nil {
		w.t.Fatal(err)
	}
	if waits == 0 {
		return
	}
	w.onWait = func(n int) {
		if n == waits {
			if err := w.toxic.Toxics.RemoveToxic(context.Background(), added.Name); err != nil {
				w.t.Error(err)
			}
		}
	}
}

// count is how often requests of a kind came.
func (w *wire) count(kind string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.requests {
		if r == kind || strings.HasPrefix(r, kind+" ") {
			n++
		}
	}
	return n
}

func (w *wire) waited() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waits
}

// waitHandler hears what retry logs.
type waitHandler struct {
	slog.Handler
	wire *wire
}

func (waitHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h waitHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "store: trying again" {
		return errors.New("an unknown message")
	}
	text := ""
	r.Attrs(func(a slog.Attr) bool { text += a.String() + " "; return true })
	h.wire.mu.Lock()
	h.wire.waits = append(h.wire.waits, text)
	n := len(h.wire.waits)
	h.wire.mu.Unlock()
	if h.wire.onWait != nil {
		h.wire.onWait(n)
	}
	return nil
}
