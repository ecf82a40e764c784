package logcapture

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

const (
	// shortestPause is between two uploads; a slow store gets longer ones,
	// so that uploading takes a tenth of the time at most.
	shortestPause = time.Second
	pauseFactor   = 10
	// failurePause is after an upload that failed, which may have taken long.
	failurePause = 10 * time.Second
)

// uploader is the one writer of a stream's object, which it writes whole each
// time: objects cannot be appended to.
type uploader struct {
	store     objstore.Store
	path, key string
	fence     func(context.Context) error
	logger    *slog.Logger

	more    chan struct{}
	stopped chan struct{}
	halt    sync.Once
	done    chan struct{}

	mu             sync.Mutex
	size, uploaded int64
	fenced         error
}

func newUploader(cfg Config, path, key string) *uploader {
	return &uploader{
		store: cfg.Store, path: path, key: key, fence: cfg.Fence, logger: cfg.Logger,
		more: make(chan struct{}, 1), stopped: make(chan struct{}), done: make(chan struct{}),
	}
}

// grew tells the size up to which the file is complete.
func (u *uploader) grew(size int64) {
	u.mu.Lock()
	u.size = size
	u.mu.Unlock()
	u.poke()
}

func (u *uploader) poke() {
	select {
	case u.more <- struct{}{}:
	default:
	}
}

// run uploads what has grown until it is stopped or fenced off.
func (u *uploader) run(ctx context.Context) {
	defer close(u.done)
	pause, last := shortestPause, time.Now()
	for {
		select {
		case <-u.more:
		case <-u.stopped:
			return
		}
		timer := time.NewTimer(time.Until(last.Add(pause)))
		select {
		case <-timer.C:
		case <-u.stopped:
			timer.Stop()
			return
		}
		began := time.Now()
		err := u.upload(ctx)
		last = time.Now()
		pause = max(shortestPause, pauseFactor*last.Sub(began))
		if err != nil {
			if u.refused() != nil || ctx.Err() != nil {
				return
			}
			u.logger.Warn("upload the task's log; it is tried again", "key", u.key, "err", err)
			pause = failurePause
			u.poke()
		}
	}
}

// stop ends run after the upload that is under way.
func (u *uploader) stop() { u.halt.Do(func() { close(u.stopped) }) }

// finish uploads the last of it, never beside another upload: of two, the
// older might win. When ctx ends first, the one under way is given up.
func (u *uploader) finish(ctx context.Context, abort context.CancelFunc) error {
	u.stop()
	select {
	case <-u.done:
	case <-ctx.Done():
		abort()
		<-u.done
	}
	return u.upload(ctx)
}

// upload writes the object as the file is now, unless it is that already.
func (u *uploader) upload(ctx context.Context) error {
	u.mu.Lock()
	size, uploaded, fenced := u.size, u.uploaded, u.fenced
	u.mu.Unlock()
	if size == uploaded {
		return nil
	}
	if fenced != nil {
		return fmt.Errorf("upload %s: %w", u.key, fenced)
	}
	err := u.store.Put(ctx, u.key, snapshot{u.path, size}, objstore.PutOptions{Fence: u.ask})
	if err != nil {
		return fmt.Errorf("upload %s: %w", u.key, err)
	}
	u.mu.Lock()
	u.uploaded = size
	u.mu.Unlock()
	return nil
}

// ask remembers the fence's no, after which nothing is uploaded any more. A
// fence that gives up because ctx ended has not said no.
func (u *uploader) ask(ctx context.Context) error {
	err := u.fence(ctx)
	if err != nil && ctx.Err() == nil {
		u.mu.Lock()
		u.fenced = err
		u.mu.Unlock()
	}
	return err
}

func (u *uploader) refused() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fenced
}

// snapshot is the beginning of a file that only grows, so it stays the same
// however often it is read.
type snapshot struct {
	path string
	size int64
}

// Open implements objstore.Source.
func (s snapshot) Open() (io.ReadCloser, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	return struct {
		*io.SectionReader
		io.Closer
	}{io.NewSectionReader(f, 0, s.size), f}, nil
}

// Size implements objstore.Source.
func (s snapshot) Size() int64 { return s.size }
