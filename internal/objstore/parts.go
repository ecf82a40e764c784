package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// PartStore is a store that also takes a big object in parts, each of them a
// request of its own. Package transfer uses it.
type PartStore interface {
	Store
	// Begin opens the upload of an object of at most that many bytes. Nothing
	// can be seen of it before Complete. errors.ErrUnsupported says to use Put.
	Begin(ctx context.Context, key string, most int64, opts PutOptions) (Upload, error)
}

// Upload is an object on its way in parts. It is safe for concurrent use.
type Upload interface {
	// PartSize is the size of every part but the last.
	PartSize() int64
	// AtOnce bounds the parts that may be under way at a time, 0 does not. One
	// means in the order of their numbers.
	AtOnce() int
	// Part sends the part of that number, counted from 0. Sending it again
	// replaces it.
	Part(ctx context.Context, number int, content Source) error
	// Complete makes the object visible, whose parts are that many bytes, under
	// the options given to Begin but for the fence, which is that of these.
	Complete(ctx context.Context, size int64, opts PutOptions) error
	// Abort removes what was sent, once no part is under way any more.
	Abort(ctx context.Context) error
}

// ErrUploadGone is wrapped when the server no longer knows an upload that was
// begun: only beginning anew helps.
var ErrUploadGone = errors.New("the server no longer knows the upload")

// ErrTooSlow is wrapped when a put would have gone on for longer than one write
// request may. In parts it can take its time: until the last request nobody
// sees them.
var ErrTooSlow = errors.New("too slow for one write request")

// Begin opens an upload at a store that may be none of parts, which decorators
// only learn when they are asked.
func Begin(ctx context.Context, store Store, key string, most int64, opts PutOptions) (Upload, error) {
	parts, ok := store.(PartStore)
	if !ok {
		return nil, fmt.Errorf("put %s in parts: %w", key, errors.ErrUnsupported)
	}
	return parts.Begin(ctx, key, most, opts)
}

// Streamer is a store that takes an object while it is made.
type Streamer interface {
	// Stream puts what write writes, of at most that many bytes, as Put does.
	// write may be called again and must begin afresh each time; its own error
	// ends the put, of which nothing is seen then.
	Stream(ctx context.Context, key string, most int64, opts PutOptions, write func(context.Context, io.Writer) error) error
}

// Stream puts what write writes where the store can do that, else it returns
// errors.ErrUnsupported.
func Stream(ctx context.Context, store Store, key string, most int64, opts PutOptions, write func(context.Context, io.Writer) error) error {
	streamer, ok := store.(Streamer)
	if !ok {
		return fmt.Errorf("put %s while it is made: %w", key, errors.ErrUnsupported)
	}
	return streamer.Stream(ctx, key, most, opts, write)
}
