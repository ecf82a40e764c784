// Package supervise runs a task's process as PID 1 should: a process group of
// its own, a death that follows the launcher's, signals passed on, a grace and
// then a kill, and no descendant left behind.
package supervise

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"
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
// process's child. A process has one.
type Supervisor struct{}

// New makes this process a subreaper and starts reaping.
func New(logger *slog.Logger) (*Supervisor, error) { return nil, errors.New("not yet") }

// Run starts the command and returns when it and all of its descendants have
// ended. When ctx ends, the child's group gets SIGTERM and, after its grace,
// SIGKILL. An error means that the child could not be started.
func (s *Supervisor) Run(ctx context.Context, c Command) (Exit, error) {
	return Exit{}, errors.New("not yet")
}

// Close stops reaping.
func (s *Supervisor) Close() {}
