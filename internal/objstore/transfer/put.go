package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/objstore"
)

// uploads is how often an upload is begun that the server forgets.
const uploads = 3

// Put implements objstore.Store.
func (s *Store) Put(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	if src.Size() > s.engine.cfg.Whole {
		return s.putParts(ctx, key, src, opts)
	}
	err := s.next.Put(ctx, key, src, opts)
	if errors.Is(err, objstore.ErrTooSlow) {
		return s.putParts(ctx, key, src, opts)
	}
	return err
}

func (s *Store) putParts(ctx context.Context, key string, src objstore.Source, opts objstore.PutOptions) error {
	for begun := 1; ; begun++ {
		up, err := objstore.Begin(ctx, s.parts, key, src.Size(), opts)
		if errors.Is(err, errors.ErrUnsupported) {
			return s.next.Put(ctx, key, src, opts)
		}
		if err != nil {
			return err
		}
		if err = finish(ctx, up, src.Size(), opts, s.send(ctx, up, key, src)); !errors.Is(err, objstore.ErrUploadGone) || begun == uploads {
			return err
		}
	}
}

// finish completes an upload whose parts were sent, or removes what was sent.
func finish(ctx context.Context, up objstore.Upload, size int64, opts objstore.PutOptions, err error) error {
	if err == nil {
		err = up.Complete(ctx, size, opts)
	}
	if err != nil {
		// Parts of a dead upload cost money until somebody removes them.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = up.Abort(ctx)
	}
	return err
}

func (s *Store) send(ctx context.Context, up objstore.Upload, key string, src objstore.Source) error {
	r, err := src.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	cut, err := s.engine.cutter(r, src.Size())
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	group, inner := errgroup.WithContext(ctx)
	atOnce := s.engine.cfg.AtOnce
	if n := up.AtOnce(); n > 0 {
		atOnce = min(n, atOnce)
	}
	group.SetLimit(atOnce)
	size := up.PartSize()
	for number := 0; int64(number)*size < src.Size(); number++ {
		offset := int64(number) * size
		var part objstore.Source
		var release func()
		part, release, err = cut(inner, offset, min(size, src.Size()-offset))
		if err != nil {
			break
		}
		group.Go(func() error {
			defer release()
			return up.Part(inner, number, part)
		})
	}
	// A part that failed is why the cutting ended, if both did.
	if sent := group.Wait(); sent != nil {
		return sent
	}
	if err == nil {
		err = ended(r, src.Size())
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// cutter returns what makes the part at an offset of a source. One that can be
// read anywhere is never held in memory.
func (e *Engine) cutter(r io.Reader, size int64) (func(ctx context.Context, offset, n int64) (objstore.Source, func(), error), error) {
	if at, ok := r.(io.ReaderAt); ok {
		if err := ended(r, size); err != nil {
			return nil, err
		}
		return func(_ context.Context, offset, n int64) (objstore.Source, func(), error) {
			return objstore.Section{At: at, Offset: offset, Bytes: n}, func() {}, nil
		}, nil
	}
	return func(ctx context.Context, _, n int64) (objstore.Source, func(), error) {
		buffer, err := e.buffers.take(ctx, n)
		if err != nil {
			return nil, nil, err
		}
		if _, err := io.ReadFull(r, buffer); err != nil {
			e.buffers.give(buffer)
			return nil, nil, fmt.Errorf("reading the source: %w", err)
		}
		return objstore.Bytes(buffer), func() { e.buffers.give(buffer) }, nil
	}, nil
}

// ended says whether a source has the size it announced: by its end, when that
// can be asked for, else by what comes after.
func ended(r io.Reader, size int64) error {
	if s, ok := r.(io.Seeker); ok {
		end, err := s.Seek(0, io.SeekEnd)
		if err != nil {
			return fmt.Errorf("reading the source: %w", err)
		}
		if end != size {
			return fmt.Errorf("the source has %d bytes, it announced %d", end, size)
		}
		return nil
	}
	switch _, err := io.ReadFull(r, make([]byte, 1)); {
	case err == nil:
		return fmt.Errorf("the source has not the %d bytes it announced", size)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("reading the source: %w", err)
	}
	return nil
}
