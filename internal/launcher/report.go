package launcher

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/lease"
)

// finish brings home the last of the log and of the metadata and reports the
// outcome. All of it outlives the order to end.
func (a *attempt) finish(ctx context.Context, outcome driverclient.Outcome) (driverclient.Reported, error) {
	if f := outcome.Failed; f != nil {
		f.Reason = oneLine(f.Reason)
		a.explain(f)
	}
	late, end := outlive(ctx)
	defer end()
	if a.log != nil {
		err := a.log.Close(late)
		switch {
		case errors.Is(err, lease.ErrLost):
			return driverclient.Reported{}, a.abandon(ctx, err)
		case err != nil:
			// The outcome counts for more than the last lines.
			a.logger.Error("the last of the task's log was not stored", "error", err)
		}
	}
	err := a.meta.Flush(late)
	switch {
	case errors.Is(err, lease.ErrLost):
		return driverclient.Reported{}, a.abandon(ctx, err)
	case err != nil && outcome.Succeeded != nil:
		// Without its rows nobody finds the task's artifacts.
		reason := oneLine(fmt.Sprintf("the task succeeded, but the metadata service did not take its records: %v", err))
		outcome.Succeeded, outcome.Cloned, outcome.Failed = nil, false, &driverclient.Failure{Class: driverclient.Infrastructure, Reason: reason}
	case err != nil:
		a.logger.Error("the last of the task's metadata was not stored", "error", err)
	}
	return a.report(ctx, outcome)
}

// explain writes a failure's reason where people look for it: the task's log,
// and, when the user's code never ran, its metadata.
func (a *attempt) explain(f *driverclient.Failure) {
	if a.log != nil {
		a.log.Note(fmt.Sprintf("Attempt %d failed (%s): %s", a.number, f.Class, f.Reason))
	}
	a.meta.Post("millrace-failure", "millrace-failure", f.Reason)
	a.logger.Warn("the attempt failed", "class", f.Class, "reason", f.Reason)
}

// report records the outcome at the driver, under a lease that is renewed
// until then.
func (a *attempt) report(ctx context.Context, outcome driverclient.Outcome) (driverclient.Reported, error) {
	late, end := outlive(ctx)
	defer end()
	var reported driverclient.Reported
	tell := func(ctx context.Context) (err error) {
		reported, err = a.driver.ReportTask(ctx, a.incarnation, a.task, outcome)
		return err
	}
	if err := failpoint.Hit(failpoint.LauncherBeforeReport); err != nil {
		a.logger.Warn("the report failed; once more", "error", err)
	}
	if err := a.held(late, tell); err != nil {
		return driverclient.Reported{}, fmt.Errorf("report the outcome of %s: %w", a.task.Ref, err)
	}
	a.logger.Info("reported", "succeeded", outcome.Succeeded != nil, "adopted", outcome.Adopted, "cloned", outcome.Cloned, "retry", reported.Retry)
	return reported, nil
}

// abandon ends an attempt without an outcome. When the lease is lost nothing
// more is written; when the pod is being deleted the log is brought home and
// the task given back.
func (a *attempt) abandon(ctx context.Context, err error) error {
	if a.meta != nil {
		a.meta.Drop()
	}
	if errors.Is(err, lease.ErrLost) {
		if a.log != nil {
			a.log.Discard()
		}
		return err
	}
	if a.log != nil {
		late, end := outlive(ctx)
		defer end()
		a.log.Note("The pod is being deleted; the task is given back.")
		if err := a.log.Close(late); err != nil {
			a.logger.Warn("the last of the task's log was not stored", "error", err)
		}
	}
	a.release(ctx, a.task, "the pod is being deleted")
	return err
}

// oneLine is a reason as the driver's record, a log line and a field of
// metadata take it.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
