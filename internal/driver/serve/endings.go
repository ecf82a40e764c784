package serve

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

// EndedFunc says how Kubeflow Pipelines ended a run: its word for it, empty
// while the run goes on there or is not known.
type EndedFunc func(ctx context.Context, runID string) (string, error)

// endings ask Kubeflow Pipelines about the open runs. A run that is terminated
// there tells nobody: its pods are ended as by an eviction, and no exit hook
// closes it, without which `:retry` looks like pods made anew after a node's
// end.
type endings struct {
	store      runstore.Store
	dispatcher *dispatch.Dispatcher
	ended      EndedFunc
	every      time.Duration
	logger     *slog.Logger
	// open are the runs that were running here and have not been seen to end
	// there. Owned by run, like failed: the last question had no answer.
	open   map[string]bool
	failed bool
}

func (e *endings) run(ctx context.Context) {
	if e.ended != nil {
		repeat(ctx, e.every, e.askAll)
	}
}

// askAll asks about every open run once, one after the other: it is a
// reconciliation, and may take its time.
func (e *endings) askAll(ctx context.Context) {
	running, err := openRuns(ctx, e.store)
	if err != nil {
		return // the store's trouble is told elsewhere
	}
	if e.open == nil {
		e.open = map[string]bool{}
	}
	for _, run := range running {
		e.open[run] = true
	}
	for run := range e.open {
		how, err := e.ended(ctx, run)
		if err != nil {
			e.unanswered(ctx, err)
			return
		}
		e.failed = false
		if how == "" {
			continue
		}
		if err := e.end(ctx, run, how); err != nil {
			e.logger.Warn("the run has ended at Kubeflow Pipelines, which could not be recorded; tried again", "run", run, "error", err)
			continue
		}
		delete(e.open, run)
	}
}

// end records what nobody else may have: that the run is cancelled, unless it
// is over, and that it is closed, unless its exit hook said so.
func (e *endings) end(ctx context.Context, run, how string) error {
	if _, err := e.dispatcher.Do(ctx, run, schedule.Cancelled{Reason: "terminated at Kubeflow Pipelines, where it is " + how}); err != nil {
		return err
	}
	_, err := e.dispatcher.Do(ctx, run, schedule.Finished{KFPState: how})
	return err
}

func (e *endings) unanswered(ctx context.Context, err error) {
	if e.failed || ctx.Err() != nil {
		return
	}
	e.failed = true
	e.logger.Warn("Kubeflow Pipelines cannot be asked how its runs stand; one that is terminated there stays open here until it can", "error", err)
}
