// Package codepackage brings a flow's code package to this machine: download
// and extraction at once, inside a folder it cannot leave, digests, injection
// of the run-time shim. Until all of it holds, nothing bears the final name:
//
//	<dir>/extract-XXXX/   extracted as it comes, within limits; then SHA-256
//	                      and SHA-1 of all that came; then the shim injected
//	<dir>/metaflow/       renamed from it; what Fetch returns
//
// Whatever fails, nothing is left behind.
package codepackage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/objstore"
)

// ErrCorrupt is wrapped by errors that no retry heals: the package is not the
// one that was deployed, or not one that may be extracted.
var ErrCorrupt = errors.New("code package refused")

// Package is an extracted code package. It is read-only by convention: leases
// work on copies.
type Package struct {
	// Dir is the extracted folder; its code is in Dir/.mf_code.
	Dir string
	// CodeDir is below Dir where Metaflow's own code is, what PYTHONPATH
	// names: ".mf_code", or "." in a package of the old layout.
	CodeDir string
}

// Fetch downloads the object key, which must be the package ref describes,
// and extracts it to dir/metaflow, replacing an earlier one. dir is made when
// it is missing.
func Fetch(ctx context.Context, store objstore.Store, key string, ref flowdef.CodePackage, dir string) (Package, error) {
	return fetch(ctx, store, key, ref, dir, defaultLimits())
}

func fetch(ctx context.Context, store objstore.Store, key string, ref flowdef.CodePackage, dir string, l limits) (Package, error) {
	p, err := bring(ctx, store, key, ref, dir, l)
	if err != nil {
		return Package{}, fmt.Errorf("code package %s: %w", ref.URL, err)
	}
	return p, nil
}

func bring(ctx context.Context, store objstore.Store, key string, ref flowdef.CodePackage, dir string, l limits) (Package, error) {
	if ref.Size > l.archive {
		return Package{}, corrupt("%d bytes are announced, more than the %d allowed", ref.Size, l.archive)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Package{}, err
	}
	fresh, err := download(ctx, store, key, ref, dir, l)
	if err != nil {
		return Package{}, err
	}
	defer os.RemoveAll(fresh) // gone already when all went well
	code, err := prepare(ref, fresh)
	if err != nil {
		return Package{}, err
	}
	final := filepath.Join(dir, "metaflow")
	if err := os.RemoveAll(final); err != nil {
		return Package{}, fmt.Errorf("remove the one before: %w", err)
	}
	if err := os.Rename(fresh, final); err != nil {
		return Package{}, err
	}
	return Package{Dir: final, CodeDir: code}, nil
}

// prepare adds what is ours to the extracted package and returns where the
// code is in it.
func prepare(ref flowdef.CodePackage, dir string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	layout, err := layoutOf(ref.Metadata, root)
	if err != nil {
		return "", err
	}
	if err := inject(root, layout); err != nil {
		return "", fmt.Errorf("add the run-time shim: %w", err)
	}
	// Without it Metaflow takes a .metaflow further up for its own.
	if err := makeFolder(root, ".metaflow"); err != nil {
		return "", err
	}
	return layout.code, nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}
