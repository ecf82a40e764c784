package codepackage

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/objstore"
)

const (
	// partSize is what a lost connection costs at most.
	partSize = 16 << 20
	parts    = 4
)

// download writes the object to the file, in ranges when it is big.
func download(ctx context.Context, store objstore.Store, key string, size int64, to *os.File) error {
	if size > partSize {
		// A range beyond the end of a truncated object is an error that says
		// something else.
		info, err := store.Stat(ctx, key)
		if err != nil {
			return fmt.Errorf("download: %w", err)
		}
		if info.Size != size {
			return wrongSize(info.Size, size)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parts)
	for offset := int64(0); offset < max(size, 1); offset += partSize {
		group.Go(func() error { return downloadPart(ctx, store, key, offset, size, to) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("download: %w", err)
	}
	return nil
}

func downloadPart(ctx context.Context, store objstore.Store, key string, offset, size int64, to *os.File) error {
	r := objstore.Range{Offset: offset, Length: partSize}
	want := int64(partSize)
	if rest := size - offset; rest <= partSize {
		r.Length, want = -1, rest // to the end, so that an object too long is noticed
	}
	var got int64
	err := store.Get(ctx, key, r, func(_ objstore.Info, body io.Reader) error {
		var err error
		got, err = io.Copy(io.NewOffsetWriter(to, offset), io.LimitReader(body, want+1))
		return err
	})
	if err != nil {
		return err
	}
	if got != want {
		return wrongSize(offset+got, size)
	}
	return nil
}

func wrongSize(got, want int64) error {
	if got > want {
		return corrupt("the object has more than the %d bytes that were deployed; was it overwritten?", want)
	}
	return corrupt("the object has %d of the %d bytes that were deployed; deploy the flow again", got, want)
}

// verify compares both digests, so that a package passes which is the
// deployed one and bears Metaflow's name for it.
func verify(archive *os.File, ref flowdef.CodePackage) error {
	h256, h1 := sha256.New(), sha1.New()
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(io.MultiWriter(h256, h1), archive); err != nil {
		return fmt.Errorf("read the archive back: %w", err)
	}
	if got := hex.EncodeToString(h256.Sum(nil)); got != ref.SHA256 {
		return corrupt("its SHA-256 is %s, the deployed one's is %s; deploy the flow again", got, ref.SHA256)
	}
	if got := hex.EncodeToString(h1.Sum(nil)); got != ref.SHA1 {
		return corrupt("its SHA-1 is %s, the deployed one's is %s; deploy the flow again", got, ref.SHA1)
	}
	return nil
}
