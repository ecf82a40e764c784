package metadata

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// longestQueue bounds what waits for the service, in bytes.
const longestQueue = 16 << 20

var errEnded = errors.New("the task's metadata is closed")

// write is a POST that needs no answer of the service's own.
type write struct {
	path string
	body []byte
	// object is the path of the object that it makes, if any.
	object string
	// reply is the answer while it waits.
	reply []byte
}

func (w write) size() int { return len(w.path) + len(w.body) + len(w.object) + len(w.reply) }

// write sends w, or queues it when the service cannot take it or others wait
// before it.
func (t *Task) write(ctx context.Context, w write) (answer, error) {
	if err := t.take(ctx); err != nil {
		return answer{}, err
	}
	defer t.give()
	if t.waiting() == 0 {
		got, err := t.send(ctx, w)
		if err == nil || !isUnreachable(err) {
			return got, err
		}
		t.client.cfg.Logger.Warn("the metadata service is away; writes wait", "error", err)
	}
	if err := t.enqueue(w); err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, w.reply}, nil
}

// send asks the fence and posts w once.
func (t *Task) send(ctx context.Context, w write) (answer, error) {
	if err := t.cfg.Fence(ctx); err != nil {
		return answer{}, err
	}
	got, err := t.client.try(ctx, http.MethodPost, w.path, w.body)
	if err == nil && w.object != "" && (got.status < 300 || got.status == http.StatusConflict) {
		t.keep(w)
		// What the child makes elsewhere, a nested run, is not asked for again.
		if strings.HasPrefix(t.path(), w.object+"/") {
			t.client.remember(w.object)
		}
	}
	return got, err
}

func (t *Task) enqueue(w write) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return t.ended
	}
	if t.bytes+w.size() > longestQueue {
		return fmt.Errorf("%w: %d writes of %d bytes wait for it already; POST %s is one too many", ErrUnavailable, len(t.queue), t.bytes, w.path)
	}
	if len(t.queue) == 0 {
		t.drained = make(chan struct{})
	}
	t.queue = append(t.queue, w)
	t.bytes += w.size()
	if w.object != "" {
		t.rows[w.object] = w.body
	}
	if !t.sending {
		t.sending = true
		t.sender.Go(t.drain)
	}
	return nil
}

// drain sends what waits, in order, until nothing does.
func (t *Task) drain() {
	wait := firstWait
	for {
		err := t.sendFirst()
		switch {
		case errors.Is(err, errEmpty):
			return
		case err == nil:
			wait = firstWait
		case !isUnreachable(err):
			t.end(err) // fenced, or the task is over
			return
		default:
			if sleep(t.ctx, jitter(wait)) != nil {
				return
			}
			wait = min(2*wait, longestWait)
		}
	}
}

var errEmpty = errors.New("nothing waits")

func (t *Task) sendFirst() error {
	if err := t.take(t.ctx); err != nil {
		return err
	}
	defer t.give()
	t.mu.Lock()
	if len(t.queue) == 0 || t.ended != nil {
		t.sending = false
		t.mu.Unlock()
		return errEmpty
	}
	w := t.queue[0]
	t.mu.Unlock()
	got, err := t.send(t.ctx, w)
	if err != nil && (isUnreachable(err) || t.ctx.Err() != nil) {
		return err
	}
	if err == nil && got.status >= 300 && got.status != http.StatusConflict {
		t.refuse(refusal(w, got))
	}
	if err == nil {
		t.pop(w)
	}
	return err
}

// refuse notes a write that was answered as taken and was not.
func (t *Task) refuse(err error) {
	t.client.cfg.Logger.Error("the metadata service refuses what waited for it", "error", err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == nil {
		t.refused = err
	}
}

func (t *Task) pop(w write) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return
	}
	t.queue = t.queue[1:]
	t.bytes -= w.size()
	if len(t.queue) == 0 {
		close(t.drained)
	}
}

// end forgets the queue and refuses whatever comes after.
func (t *Task) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return
	}
	t.ended = err
	if len(t.queue) > 0 {
		close(t.drained)
	}
	t.queue, t.bytes = nil, 0
}

// take waits for the turn to send.
func (t *Task) take(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	t.mu.Lock()
	ended := t.ended
	t.mu.Unlock()
	if ended != nil {
		t.give()
	}
	return ended
}

func (t *Task) give() { <-t.turn }

func (t *Task) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue)
}

// settle waits until nothing waits in the queue, within the budget.
func (t *Task) settle(ctx context.Context) error {
	t.mu.Lock()
	drained := t.drained
	t.mu.Unlock()
	timer := time.NewTimer(t.client.cfg.Budget)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
		return fmt.Errorf("%w: %d writes still wait for it after %s", ErrUnavailable, t.waiting(), t.client.cfg.Budget)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}

// Flush empties the queue and, last of all, posts the attempt's number again
// (the client takes the newest row). It fails when the budget is over.
func (t *Task) Flush(ctx context.Context) error {
	err := t.flush(ctx)
	t.Drop()
	return err
}

func (t *Task) flush(ctx context.Context) error {
	if err := t.settle(ctx); err != nil {
		return err
	}
	last := t.metadataOf([]row{t.attempt()})
	err := t.client.repeat(ctx, func() error {
		got, err := t.send(ctx, last)
		if err == nil && got.status >= 300 {
			err = refusal(last, got)
		}
		return err
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(err, t.refused)
}

// Drop forgets the queue: the lease is lost.
func (t *Task) Drop() {
	t.end(errEnded)
	t.cancel()
	t.sender.Wait()
}
