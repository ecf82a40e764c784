package tasksocket

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/metadata"
	"github.com/millrace/millrace/internal/metadataservice"
	"github.com/millrace/millrace/internal/objstore/mem"
)

// metaflowPython is an interpreter that has Metaflow: `make test` provides it.
func metaflowPython(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("MILLRACE_TEST_PYTHON"); p != "" {
		return p
	}
	p, err := filepath.Abs("../../.venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p); err != nil {
		t.Fatalf("no Python with Metaflow: set MILLRACE_TEST_PYTHON, or run `make venv` (%v)", err)
	}
	return p
}

// stack is what all tasks of a run share.
type stack struct {
	python, url string
	store       *mem.Store
}

// run runs one task as the launcher does, and returns what it left and said.
func (s *stack) run(t *testing.T, scope Scope, env []string, args ...string) (Outcome, string, int) {
	t.Helper()
	client, err := metadata.New(metadata.Config{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	task := client.Task(metadata.TaskConfig{
		Flow: scope.Flow, Run: scope.Run, Step: scope.Step, Task: scope.Task, Attempt: scope.Attempt, User: "tester",
		DatastoreType: "s3", DatastoreRoot: "s3://b/p",
	})
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := serve(t, func(c *Config) { c.Scope, c.Metadata, c.SpoolInMemory = scope, task, true })
	f.store.Store = s.store
	flow, err := filepath.Abs("testdata/socketflow.py")
	if err != nil {
		t.Fatal(err)
	}
	// Alone on the path: the deploy-time extension is installed already.
	const extension = "metaflow_extensions/millrace_runtime"
	shim := t.TempDir()
	if err := os.CopyFS(filepath.Join(shim, extension), os.DirFS("../../python/"+extension)); err != nil {
		t.Fatal(err)
	}
	args = append([]string{
		flow, "--quiet", "--metadata=service", "--environment=local", "--datastore=s3", "--datastore-root=s3://b/p",
		"--event-logger=nullSidecarLogger", "--monitor=nullSidecarMonitor", "--no-pylint",
	}, args...)
	cmd := exec.CommandContext(t.Context(), s.python, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{
		"PATH=" + filepath.Dir(s.python) + ":/usr/bin:/bin", "HOME=" + cmd.Dir, "METAFLOW_USER=tester", "METAFLOW_SERVICE_URL=" + s.url,
		"METAFLOW_DATASTORE_SYSROOT_S3=s3://b/p", "METAFLOW_DEFAULT_DATASTORE=s3", "METAFLOW_DEFAULT_METADATA=service",
		"METAFLOW_RUN_ID=" + scope.Run, "PYTHONPATH=" + shim, "PYTHONDONTWRITEBYTECODE=1", "MILLRACE_SOCKET=" + f.socket,
		"METAFLOW_CLIENT_CACHE_PATH=" + cmd.Dir,
	}, env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	o := f.outcome()
	if err := task.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if o.Trouble != nil || o.Fenced {
		t.Errorf("%+v", o)
	}
	if len(f.notes) > 0 {
		t.Errorf("the shim says: %q", f.notes)
	}
	if left, err := filepath.Glob(f.spool + "/save-*"); err != nil || len(left) > 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
	return o, string(out), cmd.ProcessState.ExitCode()
}

func (s *stack) step(t *testing.T, step, task, inputs string, attempt int, env []string, more ...string) (Outcome, string, int) {
	t.Helper()
	args := append([]string{
		"--with=millrace_transition", "step", step, "--run-id", "kfp-1", "--task-id", task, "--input-paths", inputs,
		"--retry-count", fmt.Sprint(attempt), "--max-user-code-retries", "1",
	}, more...)
	return s.run(t, Scope{Flow: "SocketFlow", Run: "kfp-1", Step: step, Task: task, Attempt: attempt}, env, args...)
}

// A whole run of real tasks through the socket, the shim and the service.
func TestMetaflow(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Python eight times")
	}
	service, err := metadataservice.Open(filepath.Join(t.TempDir(), "metadata.db"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(service.Handler(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() { srv.Close(); service.Close() })
	s := &stack{python: metaflowPython(t), url: srv.URL, store: mem.New()}

	parameters := Scope{Flow: "SocketFlow", Run: "kfp-1", Step: "_parameters", Task: "p", Parameters: true}
	o, out, code := s.run(t, parameters, nil, "init", "--run-id", "kfp-1", "--task-id", "p")
	if code != 0 || !o.DoneWritten || o.TaskOK == nil || !*o.TaskOK || o.Transition != nil {
		t.Fatalf("init: exit code %d, %+v\n%s", code, o, out)
	}
	good := func(name string, next []string, splits int64) func(Outcome, string, int) {
		return func(o Outcome, out string, code int) {
			t.Helper()
			if code != 0 || !o.DoneWritten || !o.DataWritten || o.TaskOK == nil || !*o.TaskOK {
				t.Fatalf("%s: exit code %d, %+v\n%s", name, code, o, out)
			}
			if want := (&Transition{Next: next, NumSplits: splits}); !reflect.DeepEqual(o.Transition, want) {
				t.Errorf("%s: transition %+v, want %+v", name, o.Transition, want)
			}
		}
	}
	good("start", []string{"work"}, 3)(s.step(t, "start", "start-t", "kfp-1/_parameters/p", 0, nil))

	o, out, code = s.step(t, "work", "w-0", "kfp-1/start/start-t", 0, []string{"LEAVE=1"}, "--split-index", "0")
	if code != 0 || !o.DoneWritten || o.TaskOK != nil || o.Transition != nil {
		t.Errorf("sys.exit(0): exit code %d, %+v\n%s", code, o, out)
	}
	o, out, code = s.step(t, "work", "w-1", "kfp-1/start/start-t", 0, []string{"RAISE=1"}, "--split-index", "1")
	if code != 1 || !o.DoneWritten || o.TaskOK == nil || *o.TaskOK || !strings.Contains(out, "as asked") {
		t.Errorf("raise: exit code %d, %+v\n%s", code, o, out)
	}
	var inputs []string
	for i := range 3 {
		task := fmt.Sprintf("w-%d", i)
		attempt := 1
		if i == 2 {
			attempt = 0
		}
		good("work", []string{"join"}, 0)(s.step(t, "work", task, "kfp-1/start/start-t", attempt, nil, "--split-index", fmt.Sprint(i)))
		inputs = append(inputs, "work/"+task)
	}
	good("join", []string{"end"}, 0)(s.step(t, "join", "join-t", "kfp-1/"+strings.Join(inputs, ",kfp-1/"), 0, nil))
	o, out, code = s.step(t, "end", "end-t", "kfp-1/join/join-t", 0, nil)
	good("end", []string{}, 0)(o, out, code)
	if !strings.Contains(out, "['aa', 'bb', 'cc']") {
		t.Errorf("the client in the task read:\n%s", out)
	}
	read, err := ReadOutcome(t.Context(), s.store, Scope{Flow: "SocketFlow", Run: "kfp-1", Step: "start", Task: "start-t"})
	if err != nil || read.TaskOK == nil || !*read.TaskOK || read.Transition.NumSplits != 3 {
		t.Errorf("read back: %+v, %v", read, err)
	}
	// More rows than fit a frame in either direction.
	client, err := metadata.New(metadata.Config{URL: s.url})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	reader := client.Task(metadata.TaskConfig{})
	defer reader.Drop()
	_, reply, _, err := reader.Do(t.Context(), "GET", "/flows/SocketFlow/runs/kfp-1/steps/end/tasks/end-t/artifacts", nil)
	if n := strings.Count(string(reply), "one_of_many_"); n != 2500 || err != nil {
		t.Errorf("%d of the many artifacts are registered, %v", n, err)
	}
}

// A reply that fits no frame is whole in Python.
func TestLargeReply(t *testing.T) {
	f := serve(t, func(c *Config) {
		c.Metadata = metadataFunc(func(string, string, []byte) (int, []byte, string, error) {
			return 200, []byte(`["` + strings.Repeat("x", 3*maxFrame) + `"]`), "2.5.1", nil
		})
	})
	const script = `import wire; r = wire.call("metadata", method="GET", path="/flows", body=None); print(r["status"], len(r["body"][0]))`
	cmd := exec.CommandContext(t.Context(), metaflowPython(t), "-B", "-c", script)
	cmd.Dir = "../../python/metaflow_extensions/millrace_runtime/plugins"
	cmd.Env = []string{"MILLRACE_SOCKET=" + f.socket}
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("200 %d\n", 3*maxFrame); string(out) != want {
		t.Errorf("%s, %v; want %s", out, err, want)
	}
	if left, err := filepath.Glob(f.spool + "/*"); err != nil || len(left) > 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
}
