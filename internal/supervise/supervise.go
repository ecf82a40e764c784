package supervise

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/lookpath"
)

// Command is a child to run.
type Command struct {
	// Argv is the command with its arguments; Argv[0] is looked up on the
	// PATH of Env.
	Argv []string
	Dir  string
	Env  []string
	// Stdout and Stderr take the child's output.
	Stdout, Stderr io.Writer
	// Grace is from SIGTERM to SIGKILL.
	Grace time.Duration
	// Drain bounds the wait for a pipe that a descendant holds open.
	Drain time.Duration
	// Timeout ends the child; 0 is never.
	Timeout time.Duration
	// Started is told the child's pid; may be nil.
	Started func(pid int)
}

// Exit is how a child ended.
type Exit struct {
	// Code is its exit code, or 128 + signal.
	Code int
	// Reason is for people: "exit code 1", "killed by signal SIGKILL".
	Reason string
	// TimedOut: the command's Timeout ended it.
	TimedOut bool
	// Left are the command lines of descendants that outlived the child; all
	// are dead.
	Left []string
}

// Supervisor starts children, one at a time, and reaps whatever becomes this
// process's child. A process has one, and while it runs a command nobody else
// in the process starts any: it could not be told from an orphan.
type Supervisor struct {
	logger *slog.Logger
	// running is held over a Run.
	running sync.Mutex
	starts  chan func()
	reaper  *reaper
	done    sync.WaitGroup
	close   sync.Once
}

// New makes this process a subreaper and starts reaping.
func New(logger *slog.Logger) (*Supervisor, error) {
	r, err := newReaper(logger)
	if err != nil {
		return nil, err
	}
	s := &Supervisor{logger: logger, starts: make(chan func()), reaper: r}
	s.done.Go(s.serveStarts)
	return s, nil
}

// Run starts the command and returns when it and all of its descendants have
// ended. When ctx ends, the child's group gets SIGTERM and, after its grace,
// SIGKILL. An error means that the child could not be started.
func (s *Supervisor) Run(ctx context.Context, c Command) (Exit, error) {
	s.running.Lock()
	defer s.running.Unlock()
	if ctx.Err() != nil {
		return Exit{}, fmt.Errorf("start the task's command: %w", context.Cause(ctx))
	}
	cmd, err := prepare(c)
	if err != nil {
		return Exit{}, err
	}
	out, err := newOutput(cmd, c, s.logger)
	if err != nil {
		return Exit{}, err
	}
	defer out.close()
	if err := s.start(cmd); err != nil {
		return Exit{}, fmt.Errorf("start %s in %s: %w", cmd.Path, cmd.Dir, err)
	}
	out.started()
	if c.Started != nil {
		c.Started(cmd.Process.Pid)
	}
	how := s.await(ctx, cmd, c)
	if how == endedItself {
		out.drain(c.Drain)
	}
	left := s.killLeft(cmd.Process.Pid, how == endedItself)
	if !out.drain(c.Drain) {
		s.logger.Warn("the task's output is still held open by a process that is not its descendant; the rest is not kept")
	}
	exit := exitOf(cmd, how, c.Timeout)
	exit.Left = left
	return exit, nil
}

// Close stops reaping.
func (s *Supervisor) Close() {
	s.close.Do(func() {
		s.running.Lock()
		defer s.running.Unlock()
		close(s.starts)
		s.done.Wait()
		s.reaper.close()
	})
}

// prepare makes the process leader of a group of its own, to die with us.
func prepare(c Command) (*exec.Cmd, error) {
	if len(c.Argv) == 0 {
		return nil, fmt.Errorf("start the task's command: it is empty")
	}
	path, err := lookpath.Find(c.Argv[0], c.Env, c.Dir)
	if err != nil {
		return nil, fmt.Errorf("start the task's command: %w; does the step's image hold it?", err)
	}
	return &exec.Cmd{Path: path, Args: c.Argv, Env: c.Env, Dir: c.Dir, SysProcAttr: attributes()}, nil
}

// ending says who ended the child.
type ending int

const (
	endedItself ending = iota
	endedByContext
	endedByTimeout
)

// await returns when the child has ended, having seen to that if need be.
func (s *Supervisor) await(ctx context.Context, cmd *exec.Cmd, c Command) ending {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // its outcome is read from cmd.ProcessState
	}()
	var timeout, kill <-chan time.Time
	if c.Timeout > 0 {
		timer := time.NewTimer(c.Timeout)
		defer timer.Stop()
		timeout = timer.C
	}
	how, cancelled := endedItself, ctx.Done()
	terminate := func(why ending) {
		how, cancelled, timeout = why, nil, nil
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		kill = time.After(c.Grace)
	}
	for {
		select {
		case <-done:
			return how
		case <-cancelled:
			terminate(endedByContext)
		case <-timeout:
			terminate(endedByTimeout)
		case <-kill:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
}
