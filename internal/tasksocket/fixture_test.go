package tasksocket

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errLost = errors.New("lease lost")

// spy is a store that notes what it is asked and fails on demand.
type spy struct {
	objstore.Store
	mu    sync.Mutex
	calls []string
	fail  func(call string) error
}

func (s *spy) note(call string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
	if s.fail != nil {
		return s.fail(call)
	}
	return nil
}

func (s *spy) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *spy) Put(ctx context.Context, key string, src objstore.Source, o objstore.PutOptions) error {
	if err := s.note("put " + key); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, src, o)
}

func (s *spy) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	if err := s.note("get " + key); err != nil {
		return err
	}
	return s.Store.Get(ctx, key, r, fn)
}

func (s *spy) Stat(ctx context.Context, key string) (objstore.Info, error) {
	if err := s.note("stat " + key); err != nil {
		return objstore.Info{}, err
	}
	return s.Store.Stat(ctx, key)
}

func (s *spy) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	_ = s.note("list " + prefix)
	return s.Store.List(ctx, prefix)
}

// store is the one behind every root.
func (s *spy) store(typ, root string) (objstore.Store, error) {
	if typ != "s3" {
		return nil, errors.New("only s3 here")
	}
	return s, nil
}

type storesFunc func(typ, root string) (objstore.Store, error)

func (f storesFunc) Store(typ, root string) (objstore.Store, error) { return f(typ, root) }

// guard is a lease that can be lost.
type guard struct {
	mu   sync.Mutex
	lost error
}

func (g *guard) AwaitWritable(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost
}

func (g *guard) lose() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost = errLost
}

type metadataFunc func(method, path string, body []byte) (int, []byte, string, error)

func (f metadataFunc) Do(_ context.Context, method, path string, body []byte) (int, []byte, string, error) {
	return f(method, path, body)
}

type fixture struct {
	t      *testing.T
	server *Server
	store  *spy
	guard  *guard
	spool  string
	socket string

	mu    sync.Mutex
	notes []string
}

var scope1 = Scope{Flow: "F", Run: "kfp-1", Step: "train", Task: "t-0", Attempt: 1}

func serve(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	dir, err := os.MkdirTemp("", "socket")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &fixture{t: t, store: &spy{Store: mem.New()}, guard: &guard{}, spool: filepath.Join(dir, "spool"), socket: filepath.Join(dir, "s")}
	if err := os.Mkdir(f.spool, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		SocketPath: f.socket, SpoolDir: f.spool, Scope: scope1, Stores: storesFunc(f.store.store),
		Artifacts: artifact.New(artifact.Config{TempDir: dir}), Guard: f.guard,
		Note: func(line string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.notes = append(f.notes, line)
		},
	}
	if change != nil {
		change(&cfg)
	}
	f.server, err = Serve(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.server.Close() })
	return f
}

// outcome ends the server.
func (f *fixture) outcome() Outcome {
	f.t.Helper()
	if err := f.server.Close(); err != nil {
		f.t.Error(err)
	}
	o, err := f.server.Outcome(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return o
}

func (f *fixture) object(key string) string {
	f.t.Helper()
	data, _, err := objstore.ReadAll(f.t.Context(), f.store.Store, key, 1<<20)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(data)
}

func (f *fixture) put(key, content string) {
	f.t.Helper()
	if err := f.store.Store.Put(f.t.Context(), key, objstore.Bytes(content), objstore.PutOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

// client is a child's connection.
type client struct {
	t    *testing.T
	conn net.Conn
}

func (f *fixture) dial() *client {
	f.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(f.t.Context(), "unix", f.socket)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	return &client{f.t, conn}
}

func (f *fixture) connect() *client {
	f.t.Helper()
	c := f.dial()
	c.ok(fields{"op": "hello", "protocol": 1, "pid": 1, "shim": "test"})
	return c
}

func (c *client) call(req fields) map[string]any {
	c.t.Helper()
	body, err := json.Marshal(req)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := writeFrame(c.conn, body); err != nil {
		c.t.Fatal(err)
	}
	return c.reply()
}

func (c *client) reply() map[string]any {
	c.t.Helper()
	reply, err := readFrame(c.conn)
	if err != nil {
		c.t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(reply, &got); err != nil {
		c.t.Fatal(err)
	}
	return got
}

func (c *client) ok(req fields) map[string]any {
	c.t.Helper()
	got := c.call(req)
	if got["ok"] != true {
		c.t.Fatalf("%v was answered %v", req, got)
	}
	return got
}

// fails wants an error of the class and returns its message.
func (c *client) fails(want string, req fields) string {
	c.t.Helper()
	got := c.call(req)
	if got["ok"] != false || got["class"] != want {
		c.t.Fatalf("%v was answered %v, want an error of class %s", req, got, want)
	}
	return got["message"].(string)
}

func on(op string, more fields) fields {
	req := fields{"op": op, "type": "s3", "root": "s3://b/p"}
	for k, v := range more {
		req[k] = v
	}
	return req
}

func saveOf(overwrite bool, items ...fields) fields {
	return on("save", fields{"overwrite": overwrite, "items": items})
}

func inline(path, content string) fields {
	return fields{"path": path, "meta": nil, "data": []byte(content)}
}

func contentKey(content string) string {
	sum := sha1.Sum([]byte(content))
	key := hex.EncodeToString(sum[:])
	return "F/data/" + key[:2] + "/" + key
}
