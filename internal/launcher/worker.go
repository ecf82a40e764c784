package launcher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/lease"
)

// slot is the one lease that a worker holds at a time.
const slot = 0

// worker runs one task of its pool after the other.
type worker struct {
	*session
	flow  *flowdef.Definition
	step  *flowdef.Step
	terms driverclient.Terms
	// address is where the other members of a gang reach this worker; empty
	// where there are no gangs.
	address string
	// ready makes what tasks need, once the driver's terms are known; it may be
	// called again.
	ready func() error
	// run runs one leased task; tests replace it.
	run func(ctx context.Context, t *driverclient.Task, asked time.Time) (driverclient.Reported, error)
	// prefer is the place of the task that ran last.
	prefer string
}

// serve joins the pool and runs tasks until the driver sends the worker away.
func (w *worker) serve(ctx context.Context) error {
	err := w.open(ctx)
	for err == nil {
		if err = w.join(ctx); err != nil {
			break
		}
		if err = w.ready(); err != nil {
			break
		}
		err = w.tasks(ctx)
		if errors.Is(err, driverclient.ErrUnknown) {
			// The driver came back without its state.
			w.logger.Warn("the driver does not know this worker; joining again", "error", err)
			err = w.open(ctx)
			continue
		}
		break
	}
	if ctx.Err() != nil {
		w.leave(ctx)
	}
	return signaled(ctx, hint(err))
}

func (w *worker) join(ctx context.Context) error {
	var joined driverclient.Joined
	err := w.within(ctx, func(ctx context.Context) (err error) {
		joined, err = w.driver.JoinPool(ctx, driverclient.Join{
			Pool: w.step.Name, Worker: w.input.Worker, Incarnation: w.incarnation, RetryIndex: w.options.retryIndex,
			PodUID: w.options.podUID, PodName: w.options.podName, TraceID: w.incarnation,
			Address: w.address,
		})
		return err
	})
	if err != nil {
		return err
	}
	if err := failpoint.Hit(failpoint.LauncherJoined); err != nil {
		return fmt.Errorf("join pool %s: %w", w.step.Name, err)
	}
	if joined.ExitFailed {
		return runFailed(joined.Reason)
	}
	w.terms = joined.Terms
	return nil
}

// tasks leases one task after the other. It returns nil when this worker is
// no longer needed.
func (w *worker) tasks(ctx context.Context) error {
	for {
		var answer driverclient.Answer
		var asked time.Time
		err := w.patience().call(ctx, func(ctx context.Context) (err error) {
			asked = time.Now()
			answer, err = w.driver.AcquireLease(ctx, w.incarnation, slot, w.prefer)
			return err
		})
		switch {
		case err != nil:
			return err
		case answer.Task != nil:
			if err := w.lease(ctx, answer.Task, asked); err != nil {
				return err
			}
			continue
		case answer.Drained, answer.Leave:
			w.logger.Info("nothing left to do here", "drained", answer.Drained)
			return writeOutputs(w.input.Outputs, answer.Lists)
		case answer.Ended != nil && answer.Ended.ExitFailed:
			return runFailed(answer.Ended.Reason)
		case answer.Ended != nil:
			w.logger.Info("the run is over", "state", answer.Ended.State, "reason", answer.Ended.Reason)
			return writeOutputs(w.input.Outputs, nil)
		case answer.GiveWay != "":
			return w.giveWay(ctx, answer.GiveWay)
		}
		if err := sleep(ctx, min(answer.Wait, longestWait)); err != nil {
			return err
		}
	}
}

// largestJitter spreads the workers that make room at once.
const largestJitter = 2 * time.Second

// giveWay ends this worker so that KFP starts it again later: its gang could
// not form, and what the pod holds may be what another gang lacks.
func (w *worker) giveWay(ctx context.Context, reason string) error {
	w.logger.Warn("making room; Kubeflow Pipelines starts this worker again", "reason", reason)
	w.leave(ctx)
	if err := sleep(ctx, rand.N(largestJitter)); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errGiveWay, reason)
}

// lease runs one task. What is wrong with it alone is no error of the worker.
func (w *worker) lease(ctx context.Context, t *driverclient.Task, asked time.Time) error {
	if err := failpoint.Hit(failpoint.LauncherLeased); err != nil {
		w.release(ctx, t, err.Error())
		return nil
	}
	reported, err := w.run(ctx, t, asked)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, lease.ErrLost):
		w.logger.Warn("lease lost; nothing more was written", "task", t.Ref, "error", err)
		w.release(ctx, t, "lease lost")
		return nil
	case err != nil:
		return err
	case reported.ExitFailed:
		return runFailed(fmt.Sprintf("task %s failed for good", t.Ref))
	}
	w.prefer = indexPath(t)
	if err := failpoint.Hit(failpoint.LauncherReported); err != nil {
		return fmt.Errorf("after the report of %s: %w", t.Ref, err)
	}
	return nil
}

// release gives the task back: no process of it is left. It must be answered
// before the worker asks again, or a driver that was away would hand out the
// very lease that was given up, with its attempt's number.
func (w *worker) release(ctx context.Context, t *driverclient.Task, reason string) {
	ctx, end := outlive(ctx)
	defer end()
	err := w.patience().call(ctx, func(ctx context.Context) error {
		return w.driver.ReleaseLease(ctx, w.incarnation, t, true, reason)
	})
	if err != nil && !errors.Is(err, driverclient.ErrStale) {
		w.logger.Warn("the task was not given back; its lease runs out by itself", "task", t.Ref, "error", err)
	}
}

func (w *worker) leave(ctx context.Context) {
	ctx, end := outlive(ctx)
	defer end()
	if err := w.driver.LeavePool(ctx, w.incarnation); err != nil {
		w.logger.Debug("no goodbye", "error", err)
	}
}

// indexPath is the task's place as the driver reads it: "3-0".
func indexPath(t *driverclient.Task) string {
	parts := make([]string, len(t.IndexPath))
	for i, n := range t.IndexPath {
		parts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(parts, "-")
}
