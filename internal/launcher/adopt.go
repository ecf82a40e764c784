package launcher

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/lease"
	"github.com/millrace/millrace/internal/metadata"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/tasksocket"
)

// adopt looks for the outcome of an attempt that was started and never
// reported, and completes its metadata: the worker died with what it had not
// posted yet. It is false when there is no outcome to be found.
func (a *attempt) adopt(ctx context.Context) (driverclient.Outcome, bool, error) {
	if a.task.AdoptAttempt == nil {
		return driverclient.Outcome{}, false, nil
	}
	number := *a.task.AdoptAttempt
	left, err := tasksocket.ReadOutcome(ctx, a.store, a.scope(number))
	if _, malformed := errors.AsType[*tasksocket.MalformedError](err); err != nil && !malformed {
		return driverclient.Outcome{}, false, fmt.Errorf("look for the end of attempt %d of %s: %w", number, a.task.Ref, err)
	}
	outcome, ok := driverclient.Outcome{Attempt: number, Adopted: true}, true
	if err == nil {
		outcome, ok = adoption(number, a.task.Parameters, left)
		outcome.Cloned = outcome.Succeeded != nil && left.ClonedFrom != nil && a.task.CloneFrom != ""
	}
	if !ok {
		return outcome, false, nil
	}
	a.number, a.logger = number, a.logger.With("attempt", number)
	// The fields tell of the pod that ran the attempt: this is another.
	if registered := a.announce(ctx, nil); registered != nil {
		err = errors.Join(err, registered)
	} else if err == nil {
		err = a.complete(ctx, left)
	}
	switch {
	case err == nil:
	case passes(ctx, err):
		return driverclient.Outcome{}, false, fmt.Errorf("adopt attempt %d of %s: %w", number, a.task.Ref, err)
	case outcome.Failed == nil:
		outcome.Succeeded, outcome.Cloned, outcome.Failed = nil, false, &driverclient.Failure{
			Class: driverclient.Infrastructure, Reason: fmt.Sprintf("the attempt had ended, but what it left cannot be adopted: %v", err),
		}
	default:
		a.logger.Warn("the failed attempt's metadata stays incomplete", "error", err)
	}
	a.logger.Info("the attempt had ended; its outcome is adopted", "succeeded", outcome.Succeeded != nil)
	return outcome, true, nil
}

// passes holds of an error after which the outcome can be adopted another
// time.
func passes(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, lease.ErrLost) || errors.Is(err, objstore.ErrTransient)
}

// complete posts what Metaflow does once an attempt is stored, from its files.
// Rows that were posted before its worker died are then there twice, which
// Metaflow's client does not mind.
func (a *attempt) complete(ctx context.Context, left tasksocket.Outcome) error {
	found, err := tasksocket.ReadArtifacts(ctx, a.store, a.scope(a.number))
	if err != nil {
		return fmt.Errorf("the artifacts of attempt %d of %s: %w", a.number, a.task.Ref, err)
	}
	if from := left.ClonedFrom; from != nil {
		a.meta.Post("origin-task-id", "origin-task-id", from.Task)
		a.meta.Post("origin-run-id", "origin-run-id", from.Run)
	}
	if a.task.Parameters {
		const kind = "graph_structure"
		a.meta.Post("start_step", kind, a.flow.StartStep)
		a.meta.Post("end_step", kind, a.flow.EndStep)
	} else {
		value := "False"
		if ok(left.TaskOK) {
			value = "True"
		}
		a.meta.Post("attempt_ok", "internal_attempt_status", value)
	}
	a.meta.Post("attempt-done", "attempt-done", strconv.Itoa(a.number))
	artifacts := make([]metadata.Artifact, len(found))
	for i, f := range found {
		artifacts[i] = metadata.Artifact(f)
	}
	if err := a.meta.PostArtifacts(ctx, artifacts); err != nil {
		return fmt.Errorf("complete the metadata of attempt %d of %s: %w", a.number, a.task.Ref, err)
	}
	return nil
}
