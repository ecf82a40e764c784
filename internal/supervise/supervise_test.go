package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExits(t *testing.T) {
	s := newSupervisor(t)
	for _, test := range []struct {
		name, script string
		code         int
		reason       string
	}{
		{"success", "exit 0", 0, "exit code 0"},
		{"failure", "exit 3", 3, "exit code 3"},
		{"no retry", "exit 202", 202, "exit code 202"},
		{"killed", "kill -KILL $$", 137, "killed by signal SIGKILL"},
		{"crashed", "kill -SEGV $$", 139, "killed by signal SIGSEGV"},
		{"real-time signal", "kill -40 $$", 168, "killed by signal 40"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := sh(t, test.script)
			exit, err := s.Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if exit.Code != test.code || exit.Reason != test.reason || exit.TimedOut || exit.Left != nil {
				t.Errorf("got %+v", exit)
			}
		})
	}
}

func TestStarting(t *testing.T) {
	s := newSupervisor(t)
	t.Run("output, folder, environment and pid", func(t *testing.T) {
		c, _ := sh(t, `echo "$WORD" from $PWD as $$; echo trouble >&2`)
		out, trouble := newBuffer(), newBuffer()
		pid := 0
		c.Stdout, c.Stderr, c.Started = out, trouble, func(p int) { pid = p }
		c.Env = append(c.Env, "WORD=hello")
		if _, err := s.Run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("hello from %s as %d\n", c.Dir, pid); out.String() != want || trouble.String() != "trouble\n" {
			t.Errorf("got %q and %q, want %q", out, trouble, want)
		}
	})
	t.Run("a program beside the flow", func(t *testing.T) {
		c, out := sh(t, "")
		if err := os.WriteFile(filepath.Join(c.Dir, "tool"), []byte("#!/bin/sh\necho tool\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		c.Argv = []string{"./tool"}
		if _, err := s.Run(t.Context(), c); err != nil || out.String() != "tool\n" {
			t.Errorf("%v, %q", err, out)
		}
	})
	t.Run("no such program", func(t *testing.T) {
		c, _ := sh(t, "")
		c.Argv, c.Env = []string{"no-such-python"}, []string{"PATH=/one:/two"}
		_, err := s.Run(t.Context(), c)
		if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), `"no-such-python" on its PATH "/one:/two"`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no such folder", func(t *testing.T) {
		c, _ := sh(t, "")
		c.Dir = "/no/such/folder"
		if _, err := s.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), c.Dir) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		if _, err := s.Run(t.Context(), Command{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("too late", func(t *testing.T) {
		gone := errors.New("the lease is lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(gone)
		c, _ := sh(t, "exit 0")
		if _, err := s.Run(ctx, c); !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
	})
}

// A child whose output cannot be kept goes on as if it were.
func TestFailingWriter(t *testing.T) {
	s := newSupervisor(t)
	c, _ := sh(t, "head -c 1000000 /dev/zero && exit 4")
	read, write := io.Pipe()
	_ = read.Close()
	c.Stdout = write
	if exit, err := s.Run(t.Context(), c); err != nil || exit.Code != 4 {
		t.Errorf("%+v, %v", exit, err)
	}
}

func TestEndedFromOutside(t *testing.T) {
	s := newSupervisor(t)
	t.Run("heeds SIGTERM", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, out := sh(t, `trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done`)
		go func() { out.await(t, "ready"); cancel() }()
		exit, err := s.Run(ctx, c)
		if err != nil || exit.Code != 7 || exit.TimedOut || !strings.Contains(out.String(), "bye\n") {
			t.Errorf("%+v, %v, %q", exit, err, out)
		}
	})
	t.Run("does not heed it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, out := sh(t, `trap '' TERM; echo ready; while :; do sleep 0.05; done`)
		c.Grace = 300 * time.Millisecond
		go func() { out.await(t, "ready"); cancel() }()
		exit, err := s.Run(ctx, c)
		if err != nil || exit.Code != 137 || exit.Reason != "killed by signal SIGKILL" {
			t.Errorf("%+v, %v", exit, err)
		}
	})
	t.Run("time limit", func(t *testing.T) {
		c, _ := sh(t, `sleep 1000`)
		c.Timeout = 200 * time.Millisecond
		exit, err := s.Run(t.Context(), c)
		if err != nil || !exit.TimedOut || exit.Reason != "ended by its time limit of 200ms, killed by signal SIGTERM" {
			t.Errorf("%+v, %v", exit, err)
		}
	})
}
