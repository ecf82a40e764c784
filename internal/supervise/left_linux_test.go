package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nothingBelow fails the test when a child of this process is left.
func nothingBelow(t *testing.T) {
	t.Helper()
	for _, p := range processes() {
		if p.parent == os.Getpid() {
			t.Errorf("left: %s, state %c", p.commandLine(), p.state)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	s := newSupervisor(t)
	for _, test := range []struct {
		name, script string
		left         []string
	}{
		{"a daemon", `setsid sleep 1001 >/dev/null 2>&1 & until pgrep -x -f 'sleep 1001' >/dev/null; do :; done`, []string{"sleep 1001"}},
		{"forked twice", `(setsid sh -c 'sleep 1002 & exit' >/dev/null 2>&1 &); until pgrep -x -f 'sleep 1002' >/dev/null; do :; done`, []string{"sleep 1002"}},
		{
			"a tree", `setsid sh -c 'sleep 1003 & sleep 1004 & wait' >/dev/null 2>&1 &
			until [ $(pgrep -c -x -f 'sleep 100[34]') = 2 ]; do :; done`,
			[]string{"sh -c sleep 1003 & sleep 1004 & wait", "sleep 1003", "sleep 1004"},
		},
		{"deaf to all but SIGKILL", `(trap '' TERM HUP INT; exec sleep 1005) >/dev/null 2>&1 & until pgrep -x -f 'sleep 1005' >/dev/null; do :; done`, []string{"sleep 1005"}},
		{"a helper that ends by itself", `(while kill -0 $$; do :; done) >/dev/null 2>&1 &`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := sh(t, test.script)
			exit, err := s.Run(t.Context(), c)
			if err != nil || exit.Code != 0 {
				t.Fatalf("%+v, %v", exit, err)
			}
			slices.Sort(exit.Left)
			if !slices.Equal(exit.Left, test.left) {
				t.Errorf("left %q, want %q", exit.Left, test.left)
			}
			nothingBelow(t)
		})
	}
}

func TestPipeHolders(t *testing.T) {
	s := newSupervisor(t)
	t.Run("finishes", func(t *testing.T) {
		c, out := sh(t, `(sleep 0.3; echo last words) & echo first; exit 5`)
		exit, err := s.Run(t.Context(), c)
		if err != nil || exit.Code != 5 || out.String() != "first\nlast words\n" || exit.Left != nil {
			t.Errorf("%+v, %v, %q", exit, err, out)
		}
	})
	t.Run("does not finish", func(t *testing.T) {
		c, out := sh(t, `setsid sleep 1006 & until pgrep -x -f 'sleep 1006' >/dev/null; do :; done; echo first; exit 5`)
		c.Drain = 200 * time.Millisecond
		exit, err := s.Run(t.Context(), c)
		if err != nil || exit.Code != 5 || out.String() != "first\n" || !slices.Equal(exit.Left, []string{"sleep 1006"}) {
			t.Errorf("%+v, %v, %q", exit, err, out)
		}
	})
	t.Run("is not a descendant", func(t *testing.T) {
		c, _ := sh(t, `exit 5`)
		c.Drain = 200 * time.Millisecond
		var held []*os.File
		// A second holder of the child's pipe, as one it was sent to would be.
		c.Started = func(pid int) {
			if f, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", pid), os.O_WRONLY, 0); err == nil {
				held = append(held, f)
			}
		}
		c.Argv[2] = "sleep 0.3; exit 5"
		exit, err := s.Run(t.Context(), c)
		if err != nil || exit.Code != 5 || len(held) != 1 {
			t.Errorf("%+v, %v, held %d", exit, err, len(held))
		}
		for _, f := range held {
			_ = f.Close()
		}
	})
}

// Whoever was there before the command is none of its descendants.
func TestOthersAreSpared(t *testing.T) {
	other := exec.Command("sleep", "1007")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	s := newSupervisor(t)
	c, _ := sh(t, `setsid sleep 1008 >/dev/null 2>&1 & until pgrep -x -f 'sleep 1008' >/dev/null; do :; done`)
	exit, err := s.Run(t.Context(), c)
	if err != nil || !slices.Equal(exit.Left, []string{"sleep 1008"}) {
		t.Errorf("%+v, %v", exit, err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	if err := other.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("its status: %v", err)
	}
}

// Children that end at once, with orphans that end at the same time: no
// status is lost.
func TestManyShortChildren(t *testing.T) {
	s := newSupervisor(t)
	for i := range 300 {
		c, _ := sh(t, fmt.Sprintf(`(true & true &) >/dev/null 2>&1; exit %d`, i%100))
		exit, err := s.Run(t.Context(), c)
		if err != nil || exit.Code != i%100 {
			t.Fatalf("run %d: %+v, %v", i, exit, err)
		}
	}
	nothingBelow(t)
}

func TestForkingFast(t *testing.T) {
	s := newSupervisor(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, out := sh(t, `f() { echo x; setsid sh -c 'sleep 1009' & }; for i in 1 2 3 4 5 6 7 8 9 10; do f; done; echo ready; wait`)
	go func() { out.await(t, "ready"); cancel() }()
	if _, err := s.Run(ctx, c); err != nil {
		t.Error(err)
	}
	nothingBelow(t)
}

func TestChildDiesWithUs(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVar+"=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 20)
	n, err := out.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(raw[:n])))
	if err != nil {
		t.Fatal(err)
	}
	child, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the child does not live: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// It was orphaned to this process, a subreaper since the tests before, or
	// to another; either way it ends.
	for deadline := time.Now().Add(20 * time.Second); ; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, os.ErrNotExist) || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			_ = child.Kill()
			t.Fatal("the child lives on")
		}
		time.Sleep(time.Millisecond)
	}
	_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 99 1 1"))
	f.Add([]byte("7 (x"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := parseStat(7, raw); err == nil && s.start == "" {
			t.Errorf("no start in %q", raw)
		}
	})
}

// Programs other than ours do not expect "try again" from their output.
func TestOutputBlocks(t *testing.T) {
	s := newSupervisor(t)
	c, out := sh(t, `grep flags: /proc/self/fdinfo/1`)
	if _, err := s.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	flags, err := strconv.ParseInt(strings.TrimSpace(strings.TrimPrefix(out.String(), "flags:")), 8, 64)
	if err != nil || flags&syscall.O_NONBLOCK != 0 {
		t.Errorf("%q, %v", out, err)
	}
}
