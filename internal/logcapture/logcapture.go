// Package logcapture keeps a task's output: decorated in Metaflow's log format
// (metaflow/mflog), uploaded while it grows by one writer per stream, the last
// upload last, and echoed to the pod's own output.
//
//	child ─ raw ─► lines ─► records ─► <Dir>/task_stdout.log ─► store, whole, now and then
//	                  └──► prefix + line ─► Console
package logcapture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/millrace/millrace/internal/objstore"
)

// Config makes a Capture.
type Config struct {
	// Dir takes the decorated files while the task runs.
	Dir string
	// Store and KeyPrefix say where they go: KeyPrefix is
	// "<flow>/<run>/<step>/<task>/<attempt>.", the files are
	// task_stdout.log and task_stderr.log.
	Store     objstore.Store
	KeyPrefix string
	// Console is the pod's stdout; each line is echoed there after Prefix.
	Console io.Writer
	Prefix  string
	// Fence is asked before each upload; an error ends uploading.
	Fence  func(context.Context) error
	Logger *slog.Logger
}

// Capture is the output of one attempt. Its methods are safe for concurrent
// use.
type Capture struct {
	stdout, stderr *stream
	tail           *tail
	abort          context.CancelFunc
}

// Start makes the files and begins uploading what is written, until Close or
// Discard: the output of a task that was told to end is kept too.
func Start(ctx context.Context, cfg Config) (*Capture, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("keep the task's output: %w", err)
	}
	if cfg.Fence == nil {
		cfg.Fence = func(context.Context) error { return nil }
	}
	stamp, err := newStamp()
	if err != nil {
		return nil, fmt.Errorf("keep the task's output: %w", err)
	}
	uploads, abort := context.WithCancel(context.WithoutCancel(ctx))
	c := &Capture{tail: &tail{}, abort: abort}
	console := &console{to: cfg.Console, prefix: cfg.Prefix}
	for _, made := range []struct {
		name string
		to   **stream
	}{{"task_stdout.log", &c.stdout}, {"task_stderr.log", &c.stderr}} {
		s, err := newStream(cfg, made.name, stamp, console, c.tail)
		if err != nil {
			abort()
			c.Discard()
			return nil, fmt.Errorf("keep the task's output: %w", err)
		}
		*made.to = s
		go s.uploader.run(uploads)
	}
	return c, nil
}

// Stdout and Stderr take the child's raw output.
func (c *Capture) Stdout() io.Writer { return c.stdout }

// Stderr takes the child's raw error output.
func (c *Capture) Stderr() io.Writer { return c.stderr }

// Note writes a line of the launcher's own to the task's stderr log.
func (c *Capture) Note(line string) { c.stderr.note(line) }

// Tail returns the newest output, a few KiB at most.
func (c *Capture) Tail() []byte { return c.tail.bytes() }

// Close ends the capture with a last upload of each stream, after any that is
// under way. Nothing is written after it. When it failed it may be called
// again, for the upload that is missing.
func (c *Capture) Close(ctx context.Context) error {
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, s := range []*stream{c.stdout, c.stderr} {
		both.Go(func() {
			kept := s.end(true)
			stored := s.uploader.finish(ctx, c.abort)
			errs[i] = errors.Join(kept, stored)
		})
	}
	both.Wait()
	c.abort()
	return errors.Join(errs...)
}

// Discard ends the capture without writing anything more.
func (c *Capture) Discard() {
	c.abort()
	for _, s := range []*stream{c.stdout, c.stderr} {
		if s != nil {
			_ = s.end(false)
			s.uploader.stop()
			<-s.uploader.done
		}
	}
}
