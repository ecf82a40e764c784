// Package python embeds the run-time shim, which the launcher drops into the
// extracted code package. The glob names the files, so that caches made by an
// interpreter are never part of the build.
package python

import (
	"embed"
	"io/fs"
)

//go:embed metaflow_extensions/millrace_runtime/*/*.py
var files embed.FS

// Shim is the run-time extension, rooted at metaflow_extensions.
func Shim() fs.FS {
	sub, err := fs.Sub(files, "metaflow_extensions")
	if err != nil {
		panic(err) // the path is a constant of the build
	}
	return sub
}
