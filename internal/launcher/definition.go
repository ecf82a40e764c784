package launcher

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/objstore"
)

// objects finds the store and key of an object's URL; *open.Stores does.
type objects interface {
	Object(url string) (objstore.Store, string, error)
}

// document is a flow's definition as it was deployed.
type document struct {
	url, sha256 string
	bytes       []byte
	flow        *flowdef.Definition
}

// fetchDefinition reads the definition and checks that it is the one the
// pipeline was compiled from.
func fetchDefinition(ctx context.Context, stores objects, url, digest string) (*document, error) {
	store, key, err := stores.Object(url)
	if err != nil {
		return nil, fmt.Errorf("the flow's definition (--definition): %w", err)
	}
	var raw []byte
	err = store.Get(ctx, key, objstore.Whole, func(_ objstore.Info, r io.Reader) error {
		raw, err = io.ReadAll(io.LimitReader(r, flowdef.MaxBytes+1))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the flow's definition %s: %w", url, err)
	}
	sum := sha256.Sum256(raw)
	if got := hex.EncodeToString(sum[:]); got != digest {
		return nil, fmt.Errorf("the flow's definition %s has SHA-256 %s, the pipeline was compiled from %s: deploy the flow again", url, got, digest)
	}
	flow, err := flowdef.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("the flow's definition %s: %w", url, err)
	}
	return &document{url: url, sha256: digest, bytes: raw, flow: flow}, nil
}
