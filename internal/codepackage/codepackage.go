// Package codepackage brings a flow's code package to this machine: download,
// digests, extraction inside a folder it cannot leave, injection of the
// run-time shim. Until all of it holds, nothing bears the final name:
//
//	<dir>/download-XXXX   the archive, verified against SHA-256 and SHA-1
//	<dir>/extract-XXXX/   extracted, shim injected
//	<dir>/metaflow/       renamed from it; what Fetch returns
//
// Whatever fails, nothing is left behind.
package codepackage

import (
	"context"
	"errors"

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
}

// Fetch downloads the object key, which must be the package ref describes,
// and extracts it to dir/metaflow, replacing an earlier one. dir is made when
// it is missing.
func Fetch(ctx context.Context, store objstore.Store, key string, ref flowdef.CodePackage, dir string) (Package, error) {
	return fetch(ctx, store, key, ref, dir, defaultLimits())
}

// limits bound what an archive may hold.
type limits struct{}

func defaultLimits() limits { return limits{} }

func fetch(ctx context.Context, store objstore.Store, key string, ref flowdef.CodePackage, dir string, l limits) (Package, error) {
	return Package{}, errors.New("not yet")
}
