package transfer

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

// streamed is how many parts of a stream are held at a time: one is filled
// while the others are on their way.
const streamed = 4

var _ objstore.Streamer = (*Store)(nil)

// Stream implements objstore.Streamer: parts leave while the rest is made. What
// turns out to fit into one request is one.
//
// It goes through memory of its own, taken before it begins: who makes it may
// hold what those wait for that hold the engine's buffers.
func (s *Store) Stream(ctx context.Context, key string, most int64, opts objstore.PutOptions, write func(context.Context, io.Writer) error) error {
	if _, ok := s.parts.(objstore.PartStore); !ok {
		return errors.ErrUnsupported
	}
	memory := min(most+1, streamed*s.engine.cfg.Whole)
	if err := s.engine.streams.Acquire(ctx, memory); err != nil {
		return context.Cause(ctx)
	}
	defer s.engine.streams.Release(memory)
	for begun := 1; ; begun++ {
		err := s.stream(ctx, key, most, opts, write)
		if !errors.Is(err, objstore.ErrUploadGone) || begun == uploads {
			return err
		}
	}
}

func (s *Store) stream(ctx context.Context, key string, most int64, opts objstore.PutOptions, write func(context.Context, io.Writer) error) error {
	group, inner := errgroup.WithContext(ctx)
	w := &stream{
		group: group, free: make(chan []byte, streamed), held: make([]byte, 0, min(s.engine.cfg.Whole, most)),
		begin: func() (objstore.Upload, error) { return objstore.Begin(inner, s.parts, key, most, opts) },
		ctx:   inner,
	}
	err := write(inner, w)
	if err == nil && w.upload == nil {
		return s.Put(ctx, key, objstore.Bytes(w.held), opts)
	}
	if err == nil {
		err = w.send()
	}
	// A part that failed is why the writing ended, if both did.
	if sent := group.Wait(); sent != nil {
		err = sent
	}
	if w.upload == nil {
		return err
	}
	return finish(ctx, w.upload, w.size, opts, err)
}

// stream cuts what is written to it into parts and sends them.
type stream struct {
	ctx    context.Context
	group  *errgroup.Group
	begin  func() (objstore.Upload, error)
	upload objstore.Upload // once there is more than one request takes

	free   chan []byte
	held   []byte // of the next part
	number int
	size   int64
}

// Write implements io.Writer.
func (w *stream) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if len(w.held) == cap(w.held) {
			if err := w.full(); err != nil {
				return written, err
			}
		}
		n := copy(w.held[len(w.held):cap(w.held)], p)
		w.held, p = w.held[:len(w.held)+n], p[n:]
		written += n
		w.size += int64(n)
	}
	return written, nil
}

// full makes room.
func (w *stream) full() error {
	if w.upload == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	for size := int(w.upload.PartSize()); len(w.held) >= size; {
		rest := w.held[size:]
		w.held = w.held[:size:size]
		if err := w.send(); err != nil {
			return err
		}
		w.held = append(w.held, rest...)
	}
	return nil
}

// open begins the upload, whose parts may be of another size than what was
// held until now.
func (w *stream) open() error {
	upload, err := w.begin()
	if err != nil {
		return err
	}
	w.upload = upload
	atOnce := streamed - 1
	if n := upload.AtOnce(); n > 0 {
		atOnce = min(n, atOnce)
	}
	w.group.SetLimit(atOnce)
	if size := int(upload.PartSize()); cap(w.held) < size {
		w.held = append(make([]byte, 0, size), w.held...)
	}
	return nil
}

// send sends what is held, when there is room for it among what is under way.
func (w *stream) send() error {
	if len(w.held) == 0 {
		return nil
	}
	part, number := w.held, w.number
	w.number++
	w.group.Go(func() error {
		err := w.upload.Part(w.ctx, number, objstore.Bytes(part))
		w.free <- part[:0]
		return err
	})
	if err := context.Cause(w.ctx); err != nil {
		return err
	}
	select {
	case w.held = <-w.free:
	default:
		w.held = make([]byte, 0, w.upload.PartSize())
	}
	return nil
}
