package launcher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/driver/serve"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/metadataservice"
	"github.com/millrace/millrace/internal/schedule"
)

// stack is a driver, a metadata service and a datastore of files, with one
// deployed flow.
type stack struct {
	t          *testing.T
	run        string
	dir        string
	env        []string
	definition string
	digest     string
}

func newStack(t *testing.T, script string) *stack {
	t.Helper()
	dir := t.TempDir()
	records, err := metadataservice.Open(filepath.Join(dir, "metadata.db"))
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(records.Handler(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() { service.Close(); records.Close() })
	driver, err := serve.Start(t.Context(), serve.Config{
		Listen: "127.0.0.1:0", HTTPListen: "127.0.0.1:0", Store: filepath.Join(dir, "driver.db"), Token: "a-token",
		Policy: schedule.Default(), MaxSplits: 1000, LongPoll: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := driver.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	python := metaflowPython(t)
	shared, err := filepath.Abs("../../test/harness/bytecode")
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, run: kfpRun, dir: dir, env: []string{
		"PATH=" + filepath.Dir(python) + ":/usr/bin:/bin", "HOME=" + dir, "LANG=C.UTF-8", "TMPDIR=" + dir, "METAFLOW_USER=tester",
		"METAFLOW_SERVICE_URL=" + service.URL, "METAFLOW_DEFAULT_METADATA=service", "METAFLOW_DEFAULT_DATASTORE=local",
		"METAFLOW_DATASTORE_SYSROOT_LOCAL=" + dir,
		"PYTHONPATH=" + shared, "MILLRACE_TEST_BYTECODE=" + bytecode,
		"MILLRACE_DRIVER=" + driver.Addresses().GRPC, "MILLRACE_TOKEN=a-token",
	}}
	s.deploy(script)
	return s
}

// deploy has the extension write code package and definition; there is nobody
// to upload the pipeline to.
func (s *stack) deploy(script string) {
	s.t.Helper()
	script, err := filepath.Abs(script)
	if err != nil {
		s.t.Fatal(err)
	}
	s.python([]string{"MILLRACE_DRIVER_BIN=/bin/true"}, script, "--no-pylint", "kubeflow-pipelines", "create", "--only-yaml", "--max-workers", "2")
	err = filepath.WalkDir(filepath.Join(s.dir, ".metaflow"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.HasPrefix(text, []byte(`{"schema"`)) {
			sum := sha256.Sum256(text)
			s.definition, s.digest = path, hex.EncodeToString(sum[:])
		}
		return err
	})
	if err != nil || s.definition == "" {
		s.t.Fatalf("no definition was stored: %v", err)
	}
}

func (s *stack) python(env []string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), metaflowPython(s.t), args...)
	cmd.Env, cmd.Dir = append(append(env, "METAFLOW_CLIENT_CACHE_PATH="+s.dir+"/client", "PYTHONDONTWRITEBYTECODE=1"), s.env...), s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

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

const kfpRun = "0b0e4d5a-1111-4222-8333-444455556666"

// pod runs the launcher as KFP's pod of that verb would and returns its exit
// code, its output and the workers_ lists it wrote.
func (s *stack) pod(ctx context.Context, inputs map[string]any, outputs []string, args ...string) (code int, log string, lists map[string]string) {
	s.t.Helper()
	folder, env, args := s.container(inputs, outputs, args)
	var out buffer
	code = Main(ctx, args, &Env{Lookup: lookup(env), Environ: env, Stdout: &out, Stderr: &out})
	lists = map[string]string{}
	for _, name := range outputs {
		text, _ := os.ReadFile(filepath.Join(folder, "outputs", name))
		lists[name] = string(text)
	}
	return code, out.String(), lists
}

// process is a pod that runs beside others.
func (s *stack) process(inputs map[string]any, args ...string) (*exec.Cmd, *buffer) {
	s.t.Helper()
	_, env, args := s.container(inputs, nil, args)
	out := &buffer{}
	cmd := exec.CommandContext(s.t.Context(), os.Args[0], args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(env, asLauncher+"=1"), out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd, out
}

// container is what KFP makes of a pod: a folder for its files, its
// environment and the whole of its arguments.
func (s *stack) container(inputs map[string]any, outputs, args []string) (folder string, env, all []string) {
	s.t.Helper()
	folder, err := os.MkdirTemp(s.dir, "pod-")
	if err != nil {
		s.t.Fatal(err)
	}
	values := map[string]any{"millrace_run": s.run}
	for name, value := range inputs {
		values[name] = value
	}
	files := map[string]any{}
	for _, name := range outputs {
		files[name] = map[string]string{"outputFile": filepath.Join(folder, "outputs", name)}
	}
	input, err := json.Marshal(map[string]any{
		"inputs": map[string]any{"parameterValues": values}, "outputs": map[string]any{"parameters": files},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	env = append([]string{"KFP_POD_NAME=" + filepath.Base(folder), "KFP_POD_UID=uid-" + filepath.Base(folder), "KFP_RETRY_INDEX=0", "MILLRACE_WORK_DIR=" + folder}, s.env...)
	return folder, env, append(args, "--definition", s.definition, "--definition-sha256", s.digest, "--executor-input", string(input))
}

func lookup(env []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, pair := range env {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}

// want fails the test unless the pod ended with the code.
func (s *stack) want(want int, inputs map[string]any, outputs []string, args ...string) map[string]string {
	s.t.Helper()
	code, log, lists := s.pod(s.t.Context(), inputs, outputs, args...)
	if code != want {
		s.t.Fatalf("%v: exit %d, want %d\n%s", args, code, want, log)
	}
	return lists
}

// read prints what Metaflow's client finds in the run.
func (s *stack) read(flow, code string) string {
	s.t.Helper()
	return strings.TrimSpace(s.python(nil, "-c", fmt.Sprintf("import metaflow\nmetaflow.namespace(None)\nrun = metaflow.Run('%s/kfp-%s')\n%s", flow, s.run, code)))
}

// packageFile is where the flow's code package is stored.
func (s *stack) packageFile() string {
	s.t.Helper()
	text, err := os.ReadFile(s.definition)
	if err != nil {
		s.t.Fatal(err)
	}
	flow, err := flowdef.Decode(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return flow.CodePackage.URL
}

// await returns when the file is there, or ctx has ended.
func await(ctx context.Context, file string) {
	for ctx.Err() == nil {
		if _, err := os.Stat(file); err == nil {
			return
		}
		_ = sleep(ctx, 20*time.Millisecond)
	}
}

// buffer takes the output of several writers.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
