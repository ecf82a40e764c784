package interp

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver of kfp.db
)

// stack is an engine on a home of its own.
type stack struct {
	*Engine

	t    *testing.T
	home string
	cfg  Config
	db   *sql.DB
}

func newStack(t *testing.T, change func(*Config)) *stack {
	t.Helper()
	s := &stack{t: t, home: t.TempDir(), cfg: testConfig(t.Output())}
	if change != nil {
		change(&s.cfg)
	}
	s.open()
	t.Cleanup(s.close)
	return s
}

func testConfig(log io.Writer) Config {
	return Config{
		Supervisor: []string{os.Args[0], "pod-supervise"}, Slots: 4, MaxBackoff: 10 * time.Millisecond, PodProxy: true,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

func (s *stack) open() {
	s.t.Helper()
	var err error
	if s.Engine, s.db, err = openEngine(s.home, s.cfg); err != nil {
		s.t.Fatal(err)
	}
}

func openEngine(home string, cfg Config) (*Engine, *sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(home, "kfp.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	cfg.DB, cfg.Dir = db, home
	e, err := Open(context.Background(), cfg)
	return e, db, err
}

func (s *stack) close() {
	s.Close()
	_ = s.db.Close()
}

func (s *stack) start(document []byte, given Values) string {
	s.t.Helper()
	p, err := Parse(document)
	if err != nil {
		s.t.Fatal(err)
	}
	args, err := p.Arguments(given)
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := s.Create("a run", document, p, args, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return v.ID
}

// until waits for a run to be as wanted.
func (s *stack) until(id, what string, ok func(View) bool) View {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		v, err := s.Run(id)
		if err != nil {
			s.t.Fatal(err)
		}
		if ok(v) {
			return v
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("not in time: %s\n%+v", what, v)
		}
	}
}

func (s *stack) wait(id, state string) View {
	s.t.Helper()
	v := s.until(id, "the run's end", func(v View) bool { return !v.Ended.IsZero() })
	if v.State != state {
		s.t.Fatalf("run ended %s (%s), want %s\n%s\n%s", v.State, v.Message, state, states(v), s.logs(id))
	}
	return v
}

// states is each node's state, one per line.
func states(v View) string {
	var out strings.Builder
	for _, t := range v.Tasks {
		out.WriteString(t.ID + " " + t.State + "\n")
	}
	return out.String()
}

// logs is what the run's pods printed, in the order of their names.
func (s *stack) logs(id string) string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.home, "logs", id, "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	var out strings.Builder
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		out.WriteString(strings.ReplaceAll(string(raw), id, "RUN"))
	}
	return out.String()
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A pod that fails is started again with the next index, under another name;
// its siblings finish, what follows is omitted, the hook runs.
func TestFailingPod(t *testing.T) {
	s := newStack(t, nil)
	id := s.start(pipeline(t, "echo \"hook\"",
		step{name: "start", script: `printf '[0, 1]' > $2`, output: "LIST"},
		step{name: "work", script: `echo "$2 at $KFP_RETRY_INDEX as $KFP_POD_NAME"; test $2 = 0`, over: "start", after: []string{"start"}, retries: 2},
		step{name: "end", script: "true", after: []string{"work"}},
	), nil)
	v := s.wait(id, "FAILED")
	wantStates(t, v, map[string]string{
		"flow/start": "SUCCEEDED", "flow/work/0": "SUCCEEDED", "flow/work/1": "FAILED", "flow/work": "FAILED",
		"flow/end": "SKIPPED", "flow": "FAILED", "verify": "SKIPPED", "finally": "SUCCEEDED",
	})
	want := strings.ReplaceAll("hook\n0 at 0 as ID-flow-work-0-0\n1 at 0 as ID-flow-work-1-0\n1 at 1 as ID-flow-work-1-1\n1 at 2 as ID-flow-work-1-2\n", "ID", id[:8])
	if got := s.logs(id); got != want {
		t.Errorf("logs:\n%s\nwant:\n%s", got, want)
	}
	if v.Message != "flow/work/1: exit code 1" {
		t.Errorf("message %q", v.Message)
	}
}

// What the hook does counts for nothing; what verify does counts.
func TestHookFails(t *testing.T) {
	s := newStack(t, nil)
	id := s.start(pipeline(t, "exit 1", step{name: "start", script: "true"}), nil)
	wantStates(t, s.wait(id, "SUCCEEDED"), map[string]string{"finally": "FAILED", "verify": "SUCCEEDED"})
}

// :retry keeps what succeeded and makes the rest anew from index 0.
func TestRetry(t *testing.T) {
	s := newStack(t, nil)
	mended := filepath.Join(t.TempDir(), "mended")
	id := s.start(pipeline(t, "echo hook",
		step{name: "start", script: `echo start; printf '[0, 1]' > $2`, output: "LIST"},
		step{name: "work", script: `echo "$2 at $KFP_RETRY_INDEX"; test $2 = 0 || test -e ` + mended, over: "start", after: []string{"start"}, retries: 1},
		step{name: "end", script: "echo end", after: []string{"work"}},
	), nil)
	s.wait(id, "FAILED")
	if err := os.WriteFile(mended, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Retry(id); err != nil {
		t.Fatal(err)
	}
	wantStates(t, s.wait(id, "SUCCEEDED"), map[string]string{"flow": "SUCCEEDED", "flow/end": "SUCCEEDED", "verify": "SUCCEEDED"})
	// The log of index 0 holds both of that name.
	if got, want := s.logs(id), "hook\nend\nstart\n0 at 0\n1 at 0\n1 at 0\n1 at 1\nverified\n"; got != want {
		t.Errorf("logs:\n%s\nwant:\n%s", got, want)
	}
	if err := s.Retry(id); err == nil {
		t.Error("a run that succeeded was retried")
	}
}

// Pods beyond the slots wait, first come first served; a pod that asks for a
// tenth of a core takes no slot.
func TestSlots(t *testing.T) {
	s := newStack(t, func(c *Config) { c.Slots = 1 })
	gate := filepath.Join(t.TempDir(), "gate")
	id := s.start(pipeline(t, "true",
		step{name: "start", script: `printf '[0, 1, 2]' > $2`, output: "LIST"},
		step{name: "gate", script: waitFor(gate), after: []string{"start"}, cpu: "0.1"},
		step{name: "work", script: `echo "worker $2"; ` + waitFor(gate+"$2"), over: "start", after: []string{"start"}},
	), nil)
	for worker := range 3 {
		want := map[string]string{"flow/gate": "RUNNING"}
		for i := range 3 {
			want[fmt.Sprint("flow/work/", i)] = []string{"PENDING", "RUNNING", "SUCCEEDED"}[cmp.Compare(worker, i)+1]
		}
		s.until(id, fmt.Sprint("worker ", worker, " alone"), func(v View) bool {
			got := stateMap(v)
			for place := range want {
				if got[place] != want[place] {
					return false
				}
			}
			return true
		})
		touch(t, gate+strconv.Itoa(worker))
	}
	touch(t, gate)
	s.wait(id, "SUCCEEDED")
}

// A gang of more members than slots comes together.
func TestGangTakesNoSlots(t *testing.T) {
	s := newStack(t, func(c *Config) { c.Slots = 1 })
	met := filepath.Join(t.TempDir(), "met")
	id := s.start(pipeline(t, "true",
		step{name: "start", script: `printf '[0, 1, 2]' > $2`, output: "LIST"},
		step{
			name: "gang", over: "start", after: []string{"start"}, address: true,
			script: fmt.Sprintf("echo I am at $ADDRESS; touch %[1]s$2; for i in 0 1 2; do %[2]s; done", met, waitFor(met+"$i")),
		},
	), nil)
	s.wait(id, "SUCCEEDED")
	if logs := s.logs(id); strings.Count(logs, "I am at 127.0.0.1") != 3 {
		t.Errorf("logs:\n%s", logs)
	}
}

func waitFor(file string) string { return "until test -e " + file + "; do sleep 0.02; done" }

func touch(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTerminate(t *testing.T) {
	s := newStack(t, nil)
	id := s.start(pipeline(t, "echo hook", step{name: "start", script: "echo up; exec sleep 1000", retries: 5}, step{name: "end", script: "true", after: []string{"start"}}), nil)
	s.until(id, "the pod's first words", func(View) bool { return s.logs(id) == "up\n" })
	if err := s.Retry(id); err == nil {
		t.Error("a running run was retried")
	}
	if err := s.Terminate(id); err != nil {
		t.Fatal(err)
	}
	wantStates(t, s.wait(id, "FAILED"), map[string]string{"flow/start": "FAILED", "flow/end": "SKIPPED", "verify": "SKIPPED"})
}

// A declared output must be there, and of its type.
func TestOutputs(t *testing.T) {
	for _, test := range []struct{ name, script, kind, message string }{
		{"missing", "true", "LIST", "failed to read output parameter list"},
		{"not JSON", "printf x > $2", "LIST", "is no LIST"},
		{"another type", "printf '{}' > $2", "LIST", "is no LIST"},
		{"a list", "printf '[]' > $2", "LIST", ""},
		{"text", "printf x > $2", "STRING", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStack(t, nil)
			id := s.start(pipeline(t, "true", step{name: "start", script: test.script, output: test.kind}), nil)
			want := "FAILED"
			if test.message == "" {
				want = "SUCCEEDED"
			}
			if v := s.wait(id, want); !strings.Contains(v.Message, test.message) {
				t.Errorf("message %q, want %q", v.Message, test.message)
			}
		})
	}
}

// Nothing of the caller's environment reaches a pod.
func TestPodEnvironment(t *testing.T) {
	t.Setenv("METAFLOW_USER", "someone")
	t.Setenv("PYTHONPATH", "/somewhere")
	s := newStack(t, func(c *Config) {
		c.Surroundings = Surroundings{Path: []string{"/opt/launchers"}, Env: []string{"AWS_REGION=here"}}
	})
	id := s.start(pipeline(t, "true", step{
		name: "start", retries: 1, env: map[string]string{"A": "$$$$(X) $(HOME)", "B": "b"},
		script: `env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | sort`,
	}), nil)
	s.wait(id, "SUCCEEDED")
	got := regexp.MustCompile(`/\S*/pods/[-0-9a-f]*`).ReplaceAllString(s.logs(id), "POD")
	got = regexp.MustCompile(`UID=\S*`).ReplaceAllString(got, "UID=U")
	want := "A=$(X) POD\nAWS_REGION=here\nB=b\nHOME=POD\nKFP_POD_NAME=" + id[:8] + "-flow-start-0\nKFP_POD_UID=U\nKFP_RETRY_INDEX=0\nLANG=C.UTF-8\n" +
		"PATH=/usr/bin:/opt/launchers:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nTMPDIR=POD/tmp\nverified\n"
	if got != want {
		t.Errorf("environment:\n%s\nwant:\n%s", got, want)
	}
}
