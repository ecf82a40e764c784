package codepackage

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/objstore"
)

// download extracts the object to a new folder below dir while it comes, and
// returns the folder once the digests hold.
func download(ctx context.Context, store objstore.Store, key string, ref flowdef.CodePackage, dir string, l limits) (string, error) {
	fresh := ""
	err := store.Get(ctx, key, objstore.Whole, func(info objstore.Info, body io.Reader) error {
		if info.Size != ref.Size {
			return wrongSize(info.Size, ref.Size)
		}
		// The callback may run again: begin afresh.
		if err := os.RemoveAll(fresh); err != nil {
			return err
		}
		var err error
		if fresh, err = os.MkdirTemp(dir, "extract-"); err != nil {
			return err
		}
		return receive(ctx, body, ref, fresh, l)
	})
	if err != nil {
		os.RemoveAll(fresh)
		return "", err
	}
	return fresh, nil
}

// receive extracts an archive as it comes. What it makes of one that is not the
// deployed one is not the error to report: that it is another one is.
func receive(ctx context.Context, body io.Reader, ref flowdef.CodePackage, dir string, l limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	in := &arriving{r: body, sha256: sha256.New(), sha1: sha1.New()}
	extracted := extract(ctx, in, ref.Size, root, l)
	// Behind the last entry comes what only the digests cover.
	_, _ = io.Copy(io.Discard, io.LimitReader(in, ref.Size+1-in.n))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if in.err != nil {
		return fmt.Errorf("download: %w", in.err)
	}
	if err := in.verify(ref); err != nil {
		return err
	}
	if extracted != nil {
		return fmt.Errorf("extract: %w", extracted)
	}
	return nil
}

// arriving is an archive on its way: its digests so far, and why it broke off.
type arriving struct {
	r            io.Reader
	sha256, sha1 hash.Hash
	n            int64
	err          error
}

func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.n += int64(n)
	a.sha256.Write(p[:n])
	a.sha1.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		a.err = err
	}
	return n, err
}

// verify compares both digests, so that a package passes which is the
// deployed one and bears Metaflow's name for it.
func (a *arriving) verify(ref flowdef.CodePackage) error {
	if a.n != ref.Size {
		return wrongSize(a.n, ref.Size)
	}
	if got := hex.EncodeToString(a.sha256.Sum(nil)); got != ref.SHA256 {
		return corrupt("its SHA-256 is %s, the deployed one's is %s; deploy the flow again", got, ref.SHA256)
	}
	if got := hex.EncodeToString(a.sha1.Sum(nil)); got != ref.SHA1 {
		return corrupt("its SHA-1 is %s, the deployed one's is %s; deploy the flow again", got, ref.SHA1)
	}
	return nil
}

func wrongSize(got, want int64) error {
	if got > want {
		return corrupt("the object has more than the %d bytes that were deployed; was it overwritten?", want)
	}
	return corrupt("the object has %d of the %d bytes that were deployed; deploy the flow again", got, want)
}
