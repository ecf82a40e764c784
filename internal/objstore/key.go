package objstore

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"
)

// longestKey is what S3 allows, prefix included; a store's prefix is short.
const longestKey = 1000

// SplitRoot takes a root such as s3://bucket/prefix apart; the prefix ends in a
// slash, or is empty. ok is false when the scheme is another or there is no
// bucket.
func SplitRoot(root, scheme string) (bucket, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(root, scheme)
	bucket, prefix, _ = strings.Cut(rest, "/")
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return bucket, prefix, ok && bucket != "" && !strings.ContainsAny(bucket, " ?#%\\")
}

// CheckKey says why a text cannot be a key. Adapters check every key, so that
// none leads out of the store's root.
func CheckKey(key string) error {
	problem := ""
	switch {
	case key == "":
		problem = "is empty"
	case len(key) > longestKey:
		problem = fmt.Sprintf("has %d bytes, more than %d", len(key), longestKey)
	case !utf8.ValidString(key):
		problem = "is not UTF-8"
	case strings.ContainsRune(key, 0):
		problem = "holds a NUL"
	default:
		for part := range strings.SplitSeq(key, "/") {
			if part == "" || part == "." || part == ".." {
				problem = fmt.Sprintf("has the element %q", part)
				break
			}
		}
	}
	if problem == "" {
		return nil
	}
	if len(key) > 200 {
		key = key[:200] + "..."
	}
	return fmt.Errorf("key %q %s: %w", key, problem, fs.ErrInvalid)
}
