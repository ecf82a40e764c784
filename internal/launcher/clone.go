package launcher

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/tasksocket"
)

// origin is what the run that this one goes on from has of the task: nil when
// it was not there, did not succeed, or cannot be understood. Then the task
// runs.
func (a *attempt) origin(ctx context.Context) (*tasksocket.Origin, error) {
	if a.task.CloneFrom == "" {
		return nil, nil
	}
	own, err := a.originOf(ctx, a.task.Ref.TaskID)
	if own == nil || err != nil || a.task.Gang == nil {
		return own, err
	}
	// A gang runs together, or not at all.
	for _, member := range a.task.Gang.Members {
		if other, err := a.originOf(ctx, member); other == nil || err != nil {
			return nil, err
		}
	}
	return own, nil
}

func (a *attempt) originOf(ctx context.Context, task string) (*tasksocket.Origin, error) {
	scope := a.scope(0)
	scope.Run, scope.Task = a.task.CloneFrom, task
	found, err := tasksocket.FindOrigin(ctx, a.store, scope)
	switch {
	case err == nil:
		return found, nil
	case passes(ctx, err):
		return nil, fmt.Errorf("look for %s of run %s: %w", a.task.Ref, a.task.CloneFrom, err)
	}
	a.logger.Warn("what the run has that this one goes on from is of no use; the task runs", "origin", scope.Path(), "error", err)
	return nil, nil
}

// errNoOrigin: a run cannot go on from one whose parameters are gone: those it
// was started with say nothing.
var errNoOrigin = errors.New("the run that this one goes on from has no parameters that succeeded")

func (a *attempt) orphaned() error {
	scope := a.scope(0)
	scope.Run = a.task.CloneFrom
	return fmt.Errorf("%w: nothing is at %s of the datastore; trigger a new run instead", errNoOrigin, scope.Path())
}

// clone takes over the origin's outcome: no Python runs, and the attempt has
// no log.
func (a *attempt) clone(ctx context.Context, origin *tasksocket.Origin) (driverclient.Reported, error) {
	if err := a.begin(a.keeper.Context()); err != nil {
		return driverclient.Reported{}, a.giveBack(ctx, err)
	}
	outcome := driverclient.Outcome{Succeeded: transition(&origin.Transition), Cloned: true}
	// What was begun is brought to its end, unless the lease is lost.
	if err := a.takeOver(context.WithoutCancel(ctx), origin); err != nil {
		s := seen{trouble: err}
		if cause := context.Cause(a.keeper.Context()); cause != nil {
			s.stopped = a.stopped(ctx, cause)
		}
		if outcome, err = verdict(s); err != nil {
			return driverclient.Reported{}, a.abandon(ctx, err)
		}
	}
	outcome.Attempt = a.number
	if outcome.Cloned {
		a.logger.Info("taken over from the run that this one goes on from", "origin", origin.Scope.Path(), "origin_attempt", origin.Scope.Attempt)
	}
	return a.finish(ctx, outcome)
}

// takeOver makes the attempt what the origin is, in the store and at the
// metadata service.
func (a *attempt) takeOver(ctx context.Context, origin *tasksocket.Origin) error {
	// The client takes the fields that are missing here from the origin.
	if err := a.announce(ctx, nil); err != nil {
		return err
	}
	if err := tasksocket.BeginEarlier(ctx, a.store, a.scope(a.number), a.keeper.AwaitWritable); err != nil {
		return err
	}
	if err := origin.CopyTo(ctx, a.store, a.scope(a.number), a.keeper.AwaitWritable); err != nil {
		return fmt.Errorf("take over %s of run %s: %w", a.task.Ref, origin.Scope.Run, err)
	}
	left, err := tasksocket.ReadOutcome(ctx, a.store, a.scope(a.number))
	switch {
	case err != nil:
	case left.ClonedFrom == nil:
		err = errors.New("its files are not those that were written")
	default:
		return a.complete(ctx, left)
	}
	return fmt.Errorf("take over %s of run %s: %w", a.task.Ref, origin.Scope.Run, err)
}
