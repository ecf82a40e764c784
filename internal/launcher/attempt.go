package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/codepackage"
	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/lease"
	"github.com/millrace/millrace/internal/logcapture"
	"github.com/millrace/millrace/internal/metadata"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/open"
	"github.com/millrace/millrace/internal/supervise"
	"github.com/millrace/millrace/internal/tasksocket"
	"github.com/millrace/millrace/internal/workspace"
)

// pod is what the attempts of this process share.
type pod struct {
	*worker
	environ    []string
	console    io.Writer
	stores     *open.Stores
	store      objstore.Store // the flow's datastore
	artifacts  *artifact.Pool
	metadata   *metadata.Client
	supervisor *supervise.Supervisor
	memory     *memory
	// folder is this process's own, removed at its end.
	folder string
	grace  time.Duration

	pkg *codepackage.Package
}

// attempt is one lease of a task and, once it is started, one attempt of it.
type attempt struct {
	*pod
	task   *driverclient.Task
	keeper *lease.Keeper
	logger *slog.Logger

	number  int
	retries int // for --max-user-code-retries
	space   *workspace.Workspace
	log     *logcapture.Capture
	meta    *metadata.Task
	// tail is that of the log, once there is one.
	tail atomic.Pointer[logcapture.Capture]
}

// attempt runs one leased task through its stages and reports it.
func (p *pod) attempt(ctx context.Context, t *driverclient.Task, asked time.Time) (driverclient.Reported, error) {
	a := &attempt{pod: p, task: t, logger: p.logger.With("task", t.Ref.String())}
	a.keeper = a.keep(ctx, asked)
	defer a.keeper.Stop()
	if outcome, ok, err := a.adopt(a.keeper.Context()); err != nil || ok {
		if err != nil {
			return driverclient.Reported{}, a.giveBack(ctx, err)
		}
		return a.finish(ctx, outcome)
	}
	origin, err := a.origin(a.keeper.Context())
	if err != nil {
		return driverclient.Reported{}, a.giveBack(ctx, err)
	}
	if origin != nil {
		return a.clone(ctx, origin)
	}
	trouble := a.prepare(a.keeper.Context())
	if a.task.Parameters && a.task.CloneFrom != "" {
		trouble = errors.Join(trouble, a.orphaned())
	}
	defer a.clean()
	if err := a.begin(a.keeper.Context()); err != nil {
		return driverclient.Reported{}, a.giveBack(ctx, err)
	}
	trouble = errors.Join(trouble, tasksocket.BeginEarlier(a.keeper.Context(), a.store, a.scope(a.number), a.keeper.AwaitWritable))
	outcome, err := verdict(a.execute(ctx, trouble))
	if err != nil {
		return driverclient.Reported{}, a.abandon(ctx, err)
	}
	outcome.Attempt = a.number
	return a.finish(ctx, outcome)
}

// keep renews the lease from now on.
func (a *attempt) keep(ctx context.Context, asked time.Time) *lease.Keeper {
	return lease.Keep(ctx, lease.Config{
		Terms: lease.Terms{TTL: a.terms.TTL, RenewEvery: a.terms.RenewEvery, OrphanGrace: a.terms.OrphanGrace},
		Asked: asked,
		Open: func(ctx context.Context) (lease.Stream, error) {
			return a.driver.Session(ctx, a.incarnation, a.task)
		},
		Sample: func() lease.Renewal {
			// Rides along so that the driver can tell why a worker was lost.
			now := a.memory.sample()
			r := lease.Renewal{UsedBytes: now.used, LimitBytes: now.limit}
			if log := a.tail.Load(); log != nil {
				r.LogTail = log.Tail()
			}
			return r
		},
		Logger: a.logger,
	})
}

// prepare brings the code package, once per pod, and makes the folders of the
// attempt. Its error is the attempt's failure, which needs an attempt to stand
// in: so it is kept until there is one.
func (a *attempt) prepare(ctx context.Context) error {
	if a.pkg == nil {
		ref := a.flow.CodePackage
		store, key, err := a.stores.Object(open.URL(a.flow.Datastore.Type, ref.URL))
		if err != nil {
			return fmt.Errorf("code package: %w", err)
		}
		pkg, err := codepackage.Fetch(ctx, store, key, ref, filepath.Join(a.folder, "package"))
		if err != nil {
			return fmt.Errorf("code package %s: %w", ref.URL, err)
		}
		if err := failpoint.Hit(failpoint.LauncherPackageReady); err != nil {
			return fmt.Errorf("code package %s: %w", ref.URL, err)
		}
		a.pkg = &pkg
	}
	space, err := workspace.New(a.folder, a.pkg.Dir)
	if err != nil {
		return fmt.Errorf("the working folder of %s: %w", a.task.Ref, err)
	}
	a.space = space
	if err := failpoint.Hit(failpoint.LauncherWorkspaceReady); err != nil {
		return fmt.Errorf("the working folder of %s: %w", a.task.Ref, err)
	}
	return nil
}

// begin consumes an attempt number.
func (a *attempt) begin(ctx context.Context) error {
	var started driverclient.Attempt
	err := a.held(ctx, func(ctx context.Context) (err error) {
		started, err = a.driver.StartAttempt(ctx, a.incarnation, a.task)
		return err
	})
	if err != nil {
		return fmt.Errorf("start an attempt of %s: %w", a.task.Ref, err)
	}
	a.number, a.retries = started.Number, started.MaxUserCodeRetries
	a.logger = a.logger.With("attempt", a.number)
	return nil
}

// held repeats a call to the driver for as long as the lease may still hold.
func (a *attempt) held(ctx context.Context, call func(context.Context) error) error {
	err := patience{logger: a.logger, enough: a.keeper.Lost}.call(ctx, call)
	if errors.Is(err, driverclient.ErrStale) {
		return fmt.Errorf("%w: %w", lease.ErrLost, err)
	}
	return err
}

func (a *attempt) scope(number int) tasksocket.Scope {
	return tasksocket.Scope{
		Flow: a.flow.Flow, Run: runID(a.input), Step: a.task.Ref.Step, Task: a.task.Ref.TaskID,
		Attempt: number, Parameters: a.task.Parameters,
	}
}

// giveBack ends a lease under which no attempt was started.
func (a *attempt) giveBack(ctx context.Context, err error) error {
	if a.meta != nil {
		a.meta.Drop()
	}
	if cause := context.Cause(a.keeper.Context()); cause != nil && errors.Is(err, cause) {
		err = cause
	}
	if errors.Is(err, lease.ErrLost) || errors.Is(err, driverclient.ErrUnknown) {
		return err
	}
	a.logger.Warn("the task is given back", "error", err)
	a.release(ctx, a.task, err.Error())
	return nil
}

// logs is the folder of the attempt's log.
func (a *attempt) logs() string { return filepath.Join(a.folder, fmt.Sprintf("logs-%d", a.task.Token)) }

// clean removes the attempt's folders.
func (a *attempt) clean() {
	if err := os.RemoveAll(a.logs()); err != nil {
		a.logger.Warn("the files of the log were not removed", "error", err)
	}
	if a.space == nil {
		return
	}
	if err := a.space.Remove(); err != nil {
		a.logger.Warn("the working folder was not removed", "error", err)
	}
}
