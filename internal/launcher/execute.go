package launcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/codepackage"
	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/lease"
	"github.com/millrace/millrace/internal/logcapture"
	"github.com/millrace/millrace/internal/metadata"
	"github.com/millrace/millrace/internal/supervise"
	"github.com/millrace/millrace/internal/tasksocket"
)

// drain bounds the wait for a pipe that a process of the task's holds open;
// timeoutGrace is what Metaflow's own @timeout has to end the task first.
const (
	drain        = 5 * time.Second
	timeoutGrace = time.Minute
)

// killed is the exit code of a process that SIGKILL ended, or of a wrapper
// around one.
const killed = 128 + int(syscall.SIGKILL)

// execute registers the attempt, runs its child and says what was seen.
// trouble is that of the stages before it: then no child is run, and the
// attempt is registered only to say why.
func (a *attempt) execute(ctx context.Context, trouble error) seen {
	s := seen{parameters: a.task.Parameters, trouble: trouble}
	s.refused = errors.Is(trouble, codepackage.ErrCorrupt) || errors.Is(trouble, errNoOrigin)
	if err := failpoint.Hit(failpoint.LauncherAttemptStarted); err != nil && s.trouble == nil {
		s.trouble = err
	}
	// What the child said and stored outlives the order to end it.
	keep := context.WithoutCancel(ctx)
	if err := a.register(keep); err != nil && s.trouble == nil {
		s.trouble = err
	}
	if s.trouble == nil {
		a.attend(ctx, &s)
	}
	if cause := context.Cause(a.keeper.Context()); cause != nil && s.stopped == nil {
		s.stopped = a.stopped(ctx, cause)
	}
	return s
}

// register makes the attempt known and opens its log.
func (a *attempt) register(ctx context.Context) error {
	// The log is opened also when the service refuses the task, to say so.
	refused := a.announce(ctx, a.fields())
	if err := os.MkdirAll(a.logs(), 0o700); err != nil {
		return fmt.Errorf("the log of %s: %w", a.task.Ref, err)
	}
	log, err := logcapture.Start(ctx, logcapture.Config{
		Dir: a.logs(), Store: a.store, KeyPrefix: fmt.Sprintf("%s/%d.", a.scope(a.number).Path(), a.number),
		Console: a.console, Prefix: a.prefix(), Fence: a.keeper.AwaitWritable, Logger: a.logger,
	})
	if err != nil {
		return fmt.Errorf("the log of %s: %w", a.task.Ref, err)
	}
	a.log = log
	a.tail.Store(log)
	return refused
}

// announce makes the attempt known to the metadata service.
func (a *attempt) announce(ctx context.Context, fields map[string]string) error {
	scope := a.scope(a.number)
	a.meta = a.metadata.Task(metadata.TaskConfig{
		Flow: scope.Flow, Run: scope.Run, Step: scope.Step, Task: scope.Task, Attempt: a.number,
		User: a.user(), Tags: a.flow.Tags, SystemTags: a.flow.SystemTags,
		DatastoreType: a.flow.Datastore.Type, DatastoreRoot: a.flow.Datastore.Root,
		Fields: fields, Fence: a.keeper.AwaitWritable,
	})
	if err := a.meta.Register(ctx); err != nil {
		return fmt.Errorf("register %s with the metadata service: %w", a.task.Ref, err)
	}
	return nil
}

// attend serves the child while it runs.
func (a *attempt) attend(ctx context.Context, s *seen) {
	keep := context.WithoutCancel(ctx)
	if a.task.Parameters {
		// A second `init` would rewrite what the first one stored.
		left, err := tasksocket.ReadOutcome(keep, a.store, a.scope(a.number))
		if err != nil {
			s.trouble = fmt.Errorf("look for the parameters: %w", err)
			return
		}
		if left.DoneWritten {
			if err := a.complete(keep, left); err != nil {
				s.trouble = err
				return
			}
			s.left, s.exit = left, &supervise.Exit{Reason: "the parameters are there already"}
			return
		}
	}
	command, err := a.command()
	if err != nil {
		s.trouble = err
		return
	}
	inputs, err := a.inputs()
	if err != nil {
		s.trouble = err
		return
	}
	_, spoolInMemory := room(a.space.SpoolDir)
	server, err := tasksocket.Serve(keep, tasksocket.Config{
		SocketPath: a.space.SocketPath, SpoolDir: a.space.SpoolDir, SpoolInMemory: spoolInMemory, Scope: a.scope(a.number), Inputs: inputs,
		Stores: a.stores, Artifacts: a.artifacts, Metadata: a.meta, Guard: a.keeper, Note: a.log.Note, Logger: a.logger,
	})
	if err != nil {
		s.trouble = fmt.Errorf("the socket of %s: %w", a.task.Ref, err)
		return
	}
	beating, still := context.WithCancel(keep)
	beats := make(chan struct{})
	go func() {
		defer close(beats)
		a.meta.Beat(beating)
	}()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		a.memory.watch(beating, a.keeper.Hurry)
	}()

	child, kill := context.WithCancelCause(a.keeper.Context())
	command.Started = func(int) {
		if err := failpoint.Hit(failpoint.LauncherChildStarted); err != nil {
			kill(err)
		}
	}
	kills := a.memory.kills()
	exit, err := a.supervisor.Run(child, command)
	s.stopped = a.stopped(ctx, context.Cause(child))
	kill(nil)
	still()
	<-beats
	<-watched
	if closed := server.Close(); closed != nil {
		a.logger.Warn("the task's socket was not closed well", "error", closed)
	}
	if err != nil {
		s.trouble = fmt.Errorf("start %s: %w", a.task.Ref, err)
		return
	}
	s.exit = &exit
	switch {
	case s.stopped == nil && !exit.TimedOut && exit.Code == killed:
		s.outOfMemory = a.memory.killed(kills, time.Now())
	case a.memory.kills() > kills:
		a.log.Note("A process that the task had started was killed for its memory.")
	}
	if err := failpoint.Hit(failpoint.LauncherChildEnded); err != nil {
		s.trouble = err
	}
	if s.left, err = server.Outcome(keep); err != nil && s.trouble == nil {
		s.trouble = fmt.Errorf("what %s left behind: %w", a.task.Ref, err)
	}
	if s.stopped != nil && !errors.Is(s.stopped, lease.ErrLost) && !errors.Is(s.stopped, lease.ErrCancelled) && !errors.Is(s.stopped, errSignaled) {
		s.trouble = s.stopped
	}
	a.told(exit)
}

// stopped names why the child was told to end: the pod's end, or the lease's.
func (a *attempt) stopped(ctx context.Context, cause error) error {
	if cause != nil && ctx.Err() != nil && errors.Is(cause, context.Cause(ctx)) {
		return fmt.Errorf("%w: %w", errSignaled, cause)
	}
	return cause
}

// told notes in the task's log what only the launcher knows of its end.
func (a *attempt) told(exit supervise.Exit) {
	for _, command := range exit.Left {
		a.log.Note("Killed what the task left running: " + command)
	}
}
