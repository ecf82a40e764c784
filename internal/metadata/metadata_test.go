package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/metadataservice"
	"github.com/millrace/millrace/internal/objstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is the real service behind a door that can be shut.
type service struct {
	t   *testing.T
	url string

	mu       sync.Mutex
	shut     func(*http.Request) bool
	seen     []string // method and path of what was let in
	turned   chan struct{}
	headers  http.Header
	released sync.Once
}

func newService(t *testing.T) *service {
	t.Helper()
	real, err := metadataservice.Open(filepath.Join(t.TempDir(), "metadata.db"))
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, turned: make(chan struct{})}
	handler := real.Handler(slog.New(slog.DiscardHandler))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		shut := s.shut != nil && s.shut(r)
		if !shut {
			s.seen = append(s.seen, r.Method+" "+r.URL.Path)
		}
		s.headers = r.Header.Clone()
		s.mu.Unlock()
		if shut {
			w.WriteHeader(http.StatusServiceUnavailable)
			s.released.Do(func() { close(s.turned) })
			return
		}
		handler.ServeHTTP(w, r)
	}))
	s.url = srv.URL
	t.Cleanup(func() { srv.Close(); real.Close() })
	return s
}

func (s *service) door(shut func(*http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = shut
}

func (s *service) down() { s.door(func(*http.Request) bool { return true }) }
func (s *service) up()   { s.door(nil) }

func (s *service) log() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// header is that of the last request.
func (s *service) header(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.headers.Get(name)
}

const taskPath = "/flows/F/runs/kfp-1/steps/train/tasks/t-0"

func (s *service) task(change func(*Config, *TaskConfig)) *Task {
	s.t.Helper()
	cfg := Config{URL: s.url + "/", Headers: map[string]string{"x-api-key": "k"}, Budget: 30 * time.Second}
	tc := TaskConfig{
		Flow: "F", Run: "kfp-1", Step: "train", Task: "t-0", Attempt: 1, User: "u", Tags: []string{"mine"}, SystemTags: []string{"user:u"},
		DatastoreType: "s3", DatastoreRoot: "s3://b/p", Fields: map[string]string{"kubernetes-pod-name": "p-1"},
	}
	if change != nil {
		change(&cfg, &tc)
	}
	client, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	task := client.Task(tc)
	s.t.Cleanup(func() { task.Drop(); client.Close() })
	return task
}

// ask reads the service itself.
func (s *service) ask(path string, into any) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		s.t.Fatalf("GET %s: %d %s, %v", path, resp.StatusCode, body, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		s.t.Fatal(err)
	}
}

// rows are field=value of the task's metadata, oldest first.
func (s *service) rows() []string {
	s.t.Helper()
	var all []struct {
		Field string   `json:"field_name"`
		Type  string   `json:"type"`
		Value string   `json:"value"`
		Tags  []string `json:"tags"`
	}
	s.ask(taskPath+"/metadata", &all)
	var rows []string
	for _, r := range slices.Backward(all) {
		rows = append(rows, r.Field+"="+r.Value)
		if !slices.Equal(r.Tags, []string{"attempt_id:1"}) || r.Type == "" {
			s.t.Errorf("row %+v", r)
		}
	}
	return rows
}

func (t *Task) must(tb testing.TB, method, path, body string, want int) string {
	tb.Helper()
	status, reply, _, err := t.Do(tb.Context(), method, path, []byte(body))
	if err != nil || status != want {
		tb.Fatalf("%s %s: %d %s, %v; want %d", method, path, status, reply, err, want)
	}
	return string(reply)
}

var registered = []string{"attempt=1", "ds-type=s3", "ds-root=s3://b/p", "kubernetes-pod-name=p-1"}

func TestRegisterAndFlush(t *testing.T) {
	s := newService(t)
	task := s.task(nil)
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.header("x-api-key"); got != "k" {
		t.Errorf("the service was given the key %q", got)
	}
	// The next attempt's registration finds everything there.
	again := s.task(nil)
	if err := again.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	task.Post("attempt_ok", "internal_attempt_status", "True")
	if err := task.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := append(append(append([]string{}, registered...), registered...), "attempt_ok=True", "attempt=1")
	if got := s.rows(); !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	var run struct {
		Tags       []string `json:"tags"`
		SystemTags []string `json:"system_tags"`
		User       string   `json:"user_name"`
	}
	s.ask("/flows/F/runs/kfp-1", &run)
	if fmt.Sprint(run) != "{[mine] [user:u] u}" {
		t.Errorf("the run is described as %v", run)
	}
	if _, _, _, err := task.Do(t.Context(), "POST", taskPath+"/metadata", []byte(`[]`)); !errors.Is(err, errEnded) {
		t.Errorf("after the flush: %v", err)
	}
}

func TestTasksOfOnePodRegisterTheirRunOnce(t *testing.T) {
	s := newService(t)
	first := s.task(nil)
	if err := first.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := len(s.log())
	cfg := first.cfg
	cfg.Task = "t-1"
	second := first.client.Task(cfg)
	defer second.Drop()
	if err := second.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.log()[before:]; !slices.Equal(got, []string{"POST /flows/F/runs/kfp-1/steps/train/task", "POST /flows/F/runs/kfp-1/steps/train/tasks/t-1/metadata"}) {
		t.Errorf("%q", got)
	}
}

// While the service is away the child's calls go on, and arrive in order.
func TestQueue(t *testing.T) {
	s := newService(t)
	s.down()
	task := s.task(nil)
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What waits can be read.
	if got := task.must(t, "GET", taskPath, "", 200); !strings.Contains(got, `"task_id":"t-0"`) {
		t.Errorf("the task reads as %s", got)
	}
	if got := task.must(t, "GET", "/flows/F/runs/kfp-1", "", 200); !strings.Contains(got, `"run_number":"kfp-1"`) {
		t.Errorf("the run reads as %s", got)
	}
	row := func(n int) string {
		return fmt.Sprintf(`[{"field_name":"n","type":"n","value":"%d","tags":["attempt_id:1"]}]`, n)
	}
	if got := task.must(t, "POST", taskPath+"/metadata", row(0), 200); got != `{"metadata_created": 1}` {
		t.Errorf("answered %s", got)
	}
	if got := task.must(t, "POST", taskPath+"/artifact", `[{"name":"name","attempt_id":1},{"name":"x","attempt_id":1}]`, 200); got != `{"artifacts_created": 2}` {
		t.Errorf("answered %s", got)
	}
	if got := task.must(t, "POST", "/flows/F/runs/kfp-1/steps/train/task", `{"task_id":"other"}`, 200); got != `{"task_id":"other"}` {
		t.Errorf("answered %s", got)
	}
	task.must(t, "GET", "/flows/F/runs/kfp-1/steps/train/tasks/other", "", 200)
	for n := 1; n < 4; n++ {
		task.must(t, "POST", taskPath+"/metadata", row(n), 200)
	}
	<-s.turned
	s.up()
	// A reader of its own writes waits for them to arrive.
	if got := task.must(t, "GET", taskPath+"/artifacts/x", "", 200); !strings.Contains(got, `"attempt_id":1`) {
		t.Errorf("the artifact reads as %s", got)
	}
	if err := task.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := append(append([]string{}, registered...), "n=0", "n=1", "n=2", "n=3", "attempt=1")
	if got := s.rows(); !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if order := s.seen; !slices.Equal(order[:4], []string{"POST /flows/F", "POST /flows/F/run", "POST /flows/F/runs/kfp-1/steps/train/step", "POST /flows/F/runs/kfp-1/steps/train/task"}) {
		t.Errorf("arrived as %q", order)
	}
}

func TestWhatOnlyTheServiceKnowsWaits(t *testing.T) {
	s := newService(t)
	task := s.task(nil)
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := []struct{ method, path, body, contains string }{
		{"POST", "/flows/F/run", `{}`, `"run_number":1`},
		{"PATCH", "/flows/F/runs/kfp-1/tag/mutate", `{"tags_to_add":["x"]}`, `"x"`},
		{"GET", "/flows/F/runs", "", `"kfp-1"`},
		{"GET", "/ping", "", "pong"},
	}
	for _, c := range calls {
		// The first two tries are turned away.
		away := 2
		s.door(func(*http.Request) bool { away--; return away >= 0 })
		if got := task.must(t, c.method, c.path, c.body, 200); !strings.Contains(got, c.contains) {
			t.Errorf("%s %s: %s", c.method, c.path, got)
		}
	}
	s.down()
	// What is known can be told although nothing waits.
	task.must(t, "GET", taskPath, "", 200)
}

func TestBudget(t *testing.T) {
	s := newService(t)
	s.down()
	task := s.task(func(c *Config, _ *TaskConfig) { c.Budget = 10 * time.Millisecond })
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := task.Do(t.Context(), "GET", "/flows", nil); !errors.Is(err, ErrUnavailable) || !errors.Is(err, objstore.ErrTransient) {
		t.Errorf("GET: %v", err)
	}
	if err := task.Flush(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("flush: %v", err)
	}
}

func TestQueueIsBounded(t *testing.T) {
	s := newService(t)
	s.down()
	task := s.task(nil)
	large := `[{"value":"` + strings.Repeat("x", 1<<20) + `"}]`
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		_, _, _, err = task.Do(t.Context(), "POST", taskPath+"/metadata", []byte(large))
	}
	if !errors.Is(err, ErrUnavailable) || n != 16 {
		t.Errorf("after %d writes: %v", n, err)
	}
}

// What was answered as taken and is then refused is no success.
func TestRefusedLater(t *testing.T) {
	s := newService(t)
	s.down()
	task := s.task(nil)
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	task.must(t, "POST", taskPath+"x/metadata", `[{"field_name":"f","value":"v"}]`, 200)
	task.Post("later", "later", "v")
	s.up()
	err := task.Flush(t.Context())
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("flush: %v", err)
	}
	if rows := s.rows(); !slices.Contains(rows, "later=v") || rows[len(rows)-1] != "attempt=1" {
		t.Errorf("rows %q", rows)
	}
}

func TestFence(t *testing.T) {
	s := newService(t)
	lost := errors.New("lease lost")
	var mu sync.Mutex
	var fenced error
	task := s.task(func(_ *Config, c *TaskConfig) {
		c.Fence = func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			return fenced
		}
	})
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.down()
	task.Post("late", "late", "v")
	<-s.turned
	mu.Lock()
	fenced = lost
	mu.Unlock()
	s.up()
	before := s.rows()
	if err := task.Flush(t.Context()); !errors.Is(err, lost) {
		t.Errorf("flush: %v", err)
	}
	if after := s.rows(); !slices.Equal(before, after) {
		t.Errorf("written without a lease: %q", after)
	}
}

func TestDropForgets(t *testing.T) {
	s := newService(t)
	task := s.task(nil)
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.down()
	task.Post("late", "late", "v")
	task.Drop()
	s.up()
	if rows := s.rows(); !slices.Equal(rows, registered) {
		t.Errorf("rows %q", rows)
	}
}

func TestServiceThatIsNotThere(t *testing.T) {
	s := newService(t)
	task := s.task(func(c *Config, _ *TaskConfig) {
		c.URL, c.Budget = "http://user:secret@127.0.0.1:1", time.Millisecond
	})
	_, _, _, err := task.Do(t.Context(), "GET", "/ping", nil)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "METAFLOW_SERVICE_URL") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	for _, url := range []string{"", "localhost:8080", "ftp://h", "http://", "http://u:secret@h\x00"} {
		if _, err := New(Config{URL: url}); err == nil || !strings.Contains(err.Error(), "METAFLOW_SERVICE_URL") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestPathsAreChecked(t *testing.T) {
	s := newService(t)
	task := s.task(nil)
	for _, path := range []string{"", "flows", "//evil/flows", "/flows/../../admin", "@evil/"} {
		if _, _, _, err := task.Do(t.Context(), "GET", path, nil); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if got := s.log(); len(got) != 0 {
		t.Errorf("asked: %q", got)
	}
}

// The key stays with the service it was given for.
func TestRedirectElsewhere(t *testing.T) {
	s := newService(t)
	front := httptest.NewServer(http.RedirectHandler(s.url+"/ping", http.StatusFound))
	defer front.Close()
	task := s.task(func(c *Config, _ *TaskConfig) { c.URL = front.URL })
	task.must(t, "GET", "/ping", "", http.StatusFound)
	if got := s.log(); len(got) != 0 {
		t.Errorf("asked: %q", got)
	}
}

func TestBeat(t *testing.T) {
	s := newService(t)
	task := s.task(nil)
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	beaten := make(chan struct{})
	s.door(func(r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/heartbeat") {
			close(beaten)
		}
		return false
	})
	done := make(chan struct{})
	go func() { task.Beat(ctx); close(done) }()
	<-beaten
	cancel()
	<-done
}

func TestPauseOf(t *testing.T) {
	for body, want := range map[string]time.Duration{
		`"{\"wait_time_in_seconds\": 10}"`:    10 * time.Second,
		`{"wait_time_in_seconds": 3}`:         3 * time.Second,
		`"{\"wait_time_in_seconds\": 0.01}"`:  time.Second,
		`"{\"wait_time_in_seconds\": 86400}"`: time.Minute,
		`"{\"wait_time_in_seconds\": -1}"`:    beatEvery,
		`"no JSON"`:                           beatEvery,
		``:                                    beatEvery,
		`[]`:                                  beatEvery,
	} {
		if got := pauseOf([]byte(body)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
