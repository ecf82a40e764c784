// Package objstore is the port to object stores: what the launcher needs of
// S3, GCS, Azure and a plain folder, and no more. Adapters live below this
// package, decorators (retry, limit, watchdog) too; package open turns a URL
// into a ready store and is the only importer of cloud SDKs. The laws every
// adapter obeys are in objstoretest.
//
// Keys are slash-separated paths below the store's root, never starting or
// ending in a slash, with no empty, "." or ".." element.
package objstore

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors of a store wrap fs.ErrNotExist, fs.ErrExist, fs.ErrPermission or
// ErrTransient when they are of that class; anything else is final. Messages
// name the operation, the object and what to try.
var ErrTransient = errors.New("transient store failure")

// Metadata is an object's user metadata. Keys are given in Metaflow's
// spelling ("metaflow-user-attributes"); adapters translate.
type Metadata map[string]string

// UserAttributes is the key under which Metaflow keeps an object's encoding.
const UserAttributes = "metaflow-user-attributes"

// Range is a part of an object in bytes; Length < 0 means to the end.
type Range struct {
	Offset, Length int64
}

// Whole is the range that holds all of an object.
var Whole = Range{Offset: 0, Length: -1}

// Info describes an object.
type Info struct {
	Key      string
	Size     int64
	Modified time.Time
	// Metadata is set by Stat and Get; List may leave it nil.
	Metadata Metadata
	// Tag, where a store has one, is another when the content is. Set by Get.
	Tag string
}

// Source is content that can be read more than once, so that a put can be
// tried again.
type Source interface {
	// Open returns a reader over the whole content from its first byte.
	Open() (io.ReadCloser, error)
	// Size is the content's length in bytes.
	Size() int64
}

// PutOptions qualify a Put.
type PutOptions struct {
	// IfAbsent makes Put fail with fs.ErrExist, changing nothing, when the
	// key holds an object.
	IfAbsent bool
	Metadata Metadata
	// Fence, when set, is asked before each request that makes content
	// visible: at every try of the put and before a multipart upload is
	// completed. Its error ends the put.
	Fence func(ctx context.Context) error
}

// MayWrite asks the fence, if there is one.
func (o PutOptions) MayWrite(ctx context.Context) error {
	if o.Fence == nil {
		return nil
	}
	return o.Fence(ctx)
}

// Store is one bucket and prefix. It is safe for concurrent use. A put that is
// retried after a lost answer may meet its own content: with IfAbsent it then
// reports fs.ErrExist, which says "there", never "not by me".
type Store interface {
	// Get hands the object's content in the range to fn. fn may be called
	// again from the start of the range after a transient failure and must
	// begin afresh each time; its own error ends the Get. A missing key is
	// fs.ErrNotExist.
	Get(ctx context.Context, key string, r Range, fn func(Info, io.Reader) error) error
	// Put writes the whole object atomically: a reader sees the old content
	// or the new, never a part.
	Put(ctx context.Context, key string, src Source, opts PutOptions) error
	// Stat describes the object, or fs.ErrNotExist.
	Stat(ctx context.Context, key string) (Info, error)
	// List yields every object whose key starts with prefix (a plain string
	// prefix), in key order. The sequence ends after the first error.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes the object; a missing key is no error.
	Delete(ctx context.Context, key string) error
}
