package interp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// gone collects what the driver would be told.
type gone struct {
	mu   sync.Mutex
	pods []string
}

func (g *gone) tell(_ context.Context, _, uid string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pods = append(g.pods, uid)
}

func (g *gone) has(uid string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Contains(g.pods, uid)
}

// oneLongPod starts a run whose pod says its uid and lives until the file is
// there, and returns that pod.
func (s *stack) oneLongPod(file string) (id string, first PodView) {
	s.t.Helper()
	id = s.start(pipeline(s.t, "echo hook",
		step{name: "start", script: `echo "$KFP_RETRY_INDEX $KFP_POD_UID"; ` + waitFor(file), retries: 3},
		step{name: "end", script: "true", after: []string{"start"}},
	), nil)
	return id, s.running(id, "")
}

// running waits for a pod of start other than that uid to have spoken.
func (s *stack) running(id, not string) (found PodView) {
	s.t.Helper()
	s.until(id, "a pod to run", func(View) bool {
		pods, err := s.Pods(id)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, p := range pods {
			if p.State == "RUNNING" && p.UID != not && strings.Contains(s.logs(id), p.UID) {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

func TestVanished(t *testing.T) {
	for _, test := range []struct {
		name   string
		vanish func(*stack, PodView) error
	}{
		{"the pod's object", func(s *stack, p PodView) error { return s.VanishPod(p.UID, false) }},
		{"its supervisor killed", func(_ *stack, p PodView) error { return syscall.Kill(p.PID, syscall.SIGKILL) }},
	} {
		t.Run(test.name+", made anew", func(t *testing.T) {
			var told gone
			s := newStack(t, func(c *Config) { c.Gone = told.tell })
			file := filepath.Join(t.TempDir(), "file")
			id, first := s.oneLongPod(file)
			if err := test.vanish(s, first); err != nil {
				t.Fatal(err)
			}
			second := s.running(id, first.UID)
			if second.Name != first.Name || second.RetryIndex != 0 {
				t.Errorf("made anew as %+v after %+v", second, first)
			}
			touch(t, file)
			s.wait(id, "SUCCEEDED")
			s.close()
			if !told.has(first.UID) || !told.has(second.UID) {
				t.Errorf("told of %v, want %s and %s", told.pods, first.UID, second.UID)
			}
		})
		t.Run(test.name+", for good", func(t *testing.T) {
			s := newStack(t, func(c *Config) { c.VanishError = true })
			file := filepath.Join(t.TempDir(), "file")
			id, first := s.oneLongPod(file)
			if err := test.vanish(s, first); err != nil {
				t.Fatal(err)
			}
			wantStates(t, s.wait(id, "FAILED"), map[string]string{"flow/start": "FAILED", "flow/end": "SKIPPED", "finally": "SUCCEEDED"})
			touch(t, file)
			if err := s.Retry(id); err != nil {
				t.Fatal(err)
			}
			s.wait(id, "SUCCEEDED")
		})
	}
}

// A vanished pod's process can live on; it ends with the stack.
func TestVanishedLivesOn(t *testing.T) {
	var told gone
	s := newStack(t, func(c *Config) { c.Gone = told.tell })
	file := filepath.Join(t.TempDir(), "file")
	id, first := s.oneLongPod(file)
	if err := s.VanishPod(first.UID, true); err != nil {
		t.Fatal(err)
	}
	second := s.running(id, first.UID)
	if syscall.Kill(first.PID, 0) != nil {
		t.Error("the old process is gone")
	}
	for _, act := range []func() error{
		func() error { return s.FailPod(first.UID) },
		func() error { return s.VanishPod(first.UID, false) },
	} {
		if err := act(); !errors.Is(err, ErrNotFound) {
			t.Errorf("a vanished pod was found: %v", err)
		}
	}
	if err := s.CutPod(second.UID); !errors.Is(err, ErrState) {
		t.Errorf("a pod without a way of its own was cut: %v", err)
	}
	s.close()
	if syscall.Kill(first.PID, 0) == nil || syscall.Kill(second.PID, 0) == nil {
		t.Error("a pod outlives the stack's end")
	}
	if told.has(first.UID) || !told.has(second.UID) {
		t.Errorf("told of %v, want %s alone", told.pods, second.UID)
	}
}

// An evicted pod fails and is started again with the next index.
func TestEvicted(t *testing.T) {
	s := newStack(t, nil)
	file := filepath.Join(t.TempDir(), "file")
	id, first := s.oneLongPod(file)
	if err := s.FailPod(first.UID); err != nil {
		t.Fatal(err)
	}
	if second := s.running(id, first.UID); second.RetryIndex != 1 || second.Name == first.Name {
		t.Errorf("started again as %+v", second)
	}
	touch(t, file)
	s.wait(id, "SUCCEEDED")
}

// A stack that is stopped ends its pods and goes on with them later.
func TestStopAndGoOn(t *testing.T) {
	s := newStack(t, nil)
	file := filepath.Join(t.TempDir(), "file")
	id, first := s.oneLongPod(file)
	s.close()
	if syscall.Kill(first.PID, 0) == nil {
		t.Error("the pod outlives the stack's end")
	}
	s.open()
	if second := s.running(id, first.UID); second.RetryIndex != 0 || second.Name != first.Name {
		t.Errorf("made anew as %+v", second)
	}
	touch(t, file)
	s.wait(id, "SUCCEEDED")
}

// A killed stack finds its pods again: those that run and those that ended
// meanwhile.
func TestAdopt(t *testing.T) {
	for _, test := range []struct {
		name string
		// between runs while no stack does.
		between func(t *testing.T, file string, first PodView)
		index   string
	}{
		{"running", func(*testing.T, string, PodView) {}, "0"},
		{"ended", func(t *testing.T, file string, first PodView) { touch(t, file); waitGone(t, first.PID) }, "0"},
		{"killed", func(t *testing.T, _ string, first PodView) {
			if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			waitGone(t, first.PID)
		}, "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &stack{t: t, home: t.TempDir(), cfg: testConfig(t.Output())}
			file := filepath.Join(t.TempDir(), "file")
			document := pipeline(t, "true", step{name: "start", script: `echo "$KFP_RETRY_INDEX $KFP_POD_UID"; ` + waitFor(file), retries: 3})
			id, first := s.killedWith(document)
			test.between(t, file, first)
			s.open()
			defer s.close()
			touch(t, file)
			s.wait(id, "SUCCEEDED")
			said := strings.Split(strings.TrimSuffix(s.logs(id), "\nverified\n"), "\n")
			want := 1
			if test.name == "killed" {
				want = 2
			}
			if len(said) != want || !strings.HasPrefix(said[len(said)-1], test.index+" ") {
				t.Errorf("the pods said %q", said)
			}
		})
	}
}

// waitGone waits for the end of a process that is no child of ours.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, after, _ := strings.Cut(string(raw), ") ")
		if err != nil || strings.HasPrefix(after, "Z") {
			return
		}
	}
	t.Fatalf("process %d does not end", pid)
}

// killedWith runs a stack in a process of its own until a pod of the document
// runs, and kills that process.
func (s *stack) killedWith(document []byte) (id string, first PodView) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "document")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), os.Args[0], "stack-to-kill", s.home, file)
	cmd.Stderr = s.t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &id, &first.UID, &first.Name, &first.PID); err != nil {
		s.t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	return id, first
}
