package open

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/internal/objstore"
)

// Metaflow writes places of an azure datastore without a scheme, as
// container/prefix/key: which store is meant has to be said beside it. Where
// there is no room for that, in flags and in a URL of ours, it is
// azure://container/prefix/key.
const azureScheme = "azure://"

// URL is how a place that Metaflow wrote, in a datastore of the type, is told
// to Object and Root.
func URL(typ, place string) string {
	if typ == "azure" && !strings.HasPrefix(place, azureScheme) {
		return azureScheme + place
	}
	return place
}

// Root returns the store of a root alone; its form says the type.
func (s *Stores) Root(root string) (objstore.Store, error) {
	typ, err := Type(root)
	if err != nil {
		return nil, err
	}
	return s.Store(typ, strings.TrimPrefix(root, azureScheme))
}

// Object returns the store and key of one object's URL, as those of a flow
// definition and of a code package.
func (s *Stores) Object(url string) (objstore.Store, string, error) {
	if _, err := Type(url); err != nil {
		return nil, "", err
	}
	root, key := "", ""
	if scheme, rest, found := strings.Cut(url, "://"); found {
		i := strings.LastIndexByte(rest, '/')
		if i < 0 {
			return nil, "", fmt.Errorf("%q names a bucket, not an object", url)
		}
		root, key = scheme+"://"+rest[:i], rest[i+1:]
	} else {
		root, key = path.Split(path.Clean(url))
		root = path.Clean(root)
	}
	if err := objstore.CheckKey(key); err != nil {
		return nil, "", fmt.Errorf("%q names no object: %w", url, err)
	}
	store, err := s.Root(root)
	return store, key, err
}

// Type says which datastore type a root or URL belongs to.
func Type(url string) (string, error) {
	scheme, _, found := strings.Cut(url, "://")
	switch {
	case !found && filepath.IsAbs(url):
		return "local", nil
	case found && (scheme == "s3" || scheme == "gs" || scheme == "azure"):
		return scheme, nil
	}
	return "", fmt.Errorf("%q is no place of a datastore: an absolute path, s3://bucket/prefix, gs://bucket/prefix and azure://container/prefix are understood", url)
}
