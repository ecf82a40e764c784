package launcher

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFlow runs a foreach pod by pod, with a real driver, real Metaflow and
// its client as the judge.
func TestFlow(t *testing.T) {
	s := newStack(t, "../../test/e2e/flows/wide.py")
	lists := s.want(0, map[string]any{"width": "3"}, []string{"workers_work"}, "run", "--step", "start")
	if lists["workers_work"] != "[0,1]" {
		t.Errorf("start decides the workers %q", lists["workers_work"])
	}
	s.want(1, nil, nil, "verify")
	s.want(0, map[string]any{"millrace_worker": 1}, nil, "run", "--step", "work")
	s.want(0, map[string]any{"millrace_worker": 0}, nil, "run", "--step", "work")
	s.want(0, nil, nil, "gate", "--step", "work")
	s.want(0, nil, nil, "run", "--step", "join")
	s.want(0, nil, nil, "run", "--step", "end")
	s.want(0, nil, nil, "verify")
	s.want(0, map[string]any{"millrace_status": map[string]string{"state": "COMPLETE"}}, nil, "finish")
	const code = "print(run.successful, run.finished, run['end'].task['total'].data, sorted(t.id for t in run['work']))"
	if got := s.read("WideFlow", code); got != "True True 5 ['task-0', 'task-1', 'task-2']" {
		t.Errorf("Metaflow's client reads: %s", got)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "pod-*", "millrace-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestParameters: every value arrives as in a plain run, None included.
func TestParameters(t *testing.T) {
	const script = "../../test/e2e/flows/parameters.py"
	s := newStack(t, script)
	awkward := "--first\nsecond\r\n\t$$ $(HOME) {{$}} \"'`\\ päivää 🚀 "
	values, err := json.Marshal(map[string]any{
		"text": awkward, "run": "", "with-hyphen": "null", "data": map[string]any{"a": []any{nil, awkward}}, "flag": false, "number": -1 << 40,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.want(0, map[string]any{"millrace_parameters": base64.RawURLEncoding.EncodeToString(values)}, nil, "run", "--step", "start")
	ours := s.read("ParameterFlow", "print(ascii(run['start'].task['seen'].data))")

	plain, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{"a": []any{nil, awkward}})
	if err != nil {
		t.Fatal(err)
	}
	s.python(nil, plain, "--no-pylint", "--quiet", "run", "--run-id-file", "id", "--text="+awkward, "--run=", "--with-hyphen=null",
		"--data", string(data), "--flag", "False", "--number", "-1099511627776")
	theirs := strings.TrimSpace(s.python(nil, "-c", `import metaflow
metaflow.namespace(None)
print(ascii(metaflow.Run('ParameterFlow/' + open('id').read()).data.seen))`))
	if ours != theirs {
		t.Errorf("parameters differ:\nours   %s\nplain  %s", ours, theirs)
	}
}

// TestPodIsDeleted: the task of a pod that is told to end is given back at
// once, and another worker runs it as the next attempt.
func TestPodIsDeleted(t *testing.T) {
	s := newStack(t, "../../test/e2e/flows/held.py")
	hold := func(name string) {
		if err := os.WriteFile(filepath.Join(s.dir, name), nil, 0o600); err != nil {
			t.Error(err)
		}
	}
	hold("start")
	hold("b")
	s.want(0, map[string]any{"folder": s.dir}, []string{"workers_work"}, "run", "--step", "start")
	ctx, cancel := context.WithCancelCause(t.Context())
	running := filepath.Join(s.dir, ".metaflow", "HeldFlow", "kfp-"+kfpRun, "work", "task-0", "0.task_begin")
	go func() {
		await(t.Context(), running)
		cancel(errors.New("terminated signal received"))
	}()
	code, log, _ := s.pod(ctx, nil, nil, "run", "--step", "work")
	if code != exitSignaled {
		t.Fatalf("exit %d, want %d\n%s", code, exitSignaled, log)
	}
	hold("a")
	s.want(0, map[string]any{"millrace_worker": 1}, nil, "run", "--step", "work")
	if got := s.read("HeldFlow", "task = run['work']['task-0']\nprint(task.current_attempt, task.successful)"); got != "1 True" {
		t.Errorf("Metaflow's client reads: %s", got)
	}
}

// TestRefusedPackage: the reason stands in the task's log and metadata.
func TestRefusedPackage(t *testing.T) {
	s := newStack(t, "../../test/e2e/flows/wide.py")
	if err := os.WriteFile(s.packageFile(), []byte("not the package"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(1, nil, nil, "run", "--step", "start")
	got := s.read("WideFlow", `task = metaflow.Task(run.pathspec + '/_parameters/params')
print(task.stderr, [m.value for m in task.metadata])`)
	log, rows, _ := strings.Cut(got, "[")
	for where, text := range map[string]string{"log": log, "metadata": rows} {
		if !strings.Contains(text, "code package") {
			t.Errorf("the %s does not say what is wrong: %s", where, text)
		}
	}
	s.want(1, nil, nil, "run", "--step", "start")
}
