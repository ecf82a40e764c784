package objstoretest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
)

// written writes content in pieces of odd sizes.
func written(content string) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		for piece := 1; len(content) > 0; piece = piece*3 + 1 {
			n := min(piece, len(content))
			if _, err := io.WriteString(w, content[:n]); err != nil {
				return err
			}
			content = content[n:]
		}
		return nil
	}
}

// streamLaw is that of a put whose content is made meanwhile.
func streamLaw(t *testing.T, s objstore.Store, h Harness) {
	if !h.Streams {
		if err := objstore.Stream(t.Context(), s, "k", 10, objstore.PutOptions{}, written("content")); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Stream = %v, want that it is not supported", err)
		}
		return
	}
	most := int64(3 * h.Big)
	for _, size := range []int{0, 1, 1000, h.Big / 2, h.Big - h.Big%(128<<10), h.Big, 2*h.Big + 1} {
		key := fmt.Sprintf("k%d", size)
		opts := objstore.PutOptions{IfAbsent: true, Metadata: attributes(gzipped)}
		if err := objstore.Stream(t.Context(), s, key, most, opts, written(pattern(size))); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		holds(t, s, key, pattern(size), gzipped)
		if err := objstore.Stream(t.Context(), s, key, most, opts, written("other content")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%d bytes: put again if absent = %v", size, err)
		}
		holds(t, s, key, pattern(size), gzipped)
	}
	broken := errors.New("it cannot be made")
	for _, size := range []int{1000, 2 * h.Big} {
		err := objstore.Stream(t.Context(), s, "broken", most, objstore.PutOptions{}, func(ctx context.Context, w io.Writer) error {
			return errors.Join(written(pattern(size))(ctx, w), broken)
		})
		if !errors.Is(err, broken) {
			t.Errorf("%d bytes: Stream = %v, want why it cannot be made", size, err)
		}
		absent(t, s, "broken")
		lost := errors.New("the lease is lost")
		opts := objstore.PutOptions{Fence: func(context.Context) error { return lost }}
		if err := objstore.Stream(t.Context(), s, "fenced", most, opts, written(pattern(size))); !errors.Is(err, lost) {
			t.Errorf("%d bytes: Stream = %v, want the fence's error", size, err)
		}
		absent(t, s, "fenced")
	}
	over := errors.New("the task is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := objstore.Stream(ctx, s, "cancelled", most, objstore.PutOptions{}, func(ctx context.Context, w io.Writer) error {
		cancel(over)
		return written(pattern(2*h.Big))(ctx, w)
	})
	if !errors.Is(err, over) {
		t.Errorf("Stream = %v, want the context's cause", err)
	}
	absent(t, s, "cancelled")
}
