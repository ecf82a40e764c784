package codepackage

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	longestName    = 2048
	longestElement = 255
)

// checkName returns an entry's name cleaned, or why it is refused. What holds
// it in the folder is os.Root; this gives the reason and does not depend on
// what is there already.
func checkName(name string) (string, error) {
	switch {
	case name == "":
		return "", corrupt("it has no name")
	case len(name) > longestName:
		return "", corrupt("its name has %d bytes", len(name))
	case !utf8.ValidString(name):
		return "", corrupt("its name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", corrupt("its name holds a control character")
	case strings.HasPrefix(name, "/"):
		return "", corrupt("its name is absolute")
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return "", corrupt("its name leads out of the folder")
		}
		if len(element) > longestElement {
			return "", corrupt("a part of its name has %d bytes", len(element))
		}
	}
	return path.Clean(name), nil
}

// entry is a name as it was first met.
type entry struct {
	name   string
	folder bool
}

// names are those of an archive, by their case-folded form: on a file system
// that ignores case, two spellings are one file.
type names struct {
	limit int
	known map[string]entry
}

// add takes a cleaned name and the folders above it.
func (n *names) add(name string, folder bool) error {
	for i, c := range name {
		if c == '/' {
			if err := n.addOne(name[:i], true, false); err != nil {
				return err
			}
		}
	}
	return n.addOne(name, folder, !folder)
}

func (n *names) addOne(name string, folder, only bool) error {
	key := fold(name)
	before, met := n.known[key]
	switch {
	case !met:
		if len(n.known) >= n.limit {
			return corrupt("the archive holds more than %d files and folders", n.limit)
		}
		n.known[key] = entry{name, folder}
		return nil
	case before.name != name:
		return corrupt("%q and %q differ in case only", shorten(before.name), shorten(name))
	case before.folder != folder:
		return corrupt("%q is a file and a folder", shorten(name))
	case only:
		return corrupt("it is there twice")
	default:
		return nil
	}
}

// fold maps each letter to the smallest of those that differ from it in case.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		smallest := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			smallest = min(smallest, next)
		}
		return smallest
	}, name)
}

// shorten keeps messages readable.
func shorten(name string) string {
	const longest = 200
	if len(name) <= longest {
		return name
	}
	return strings.ToValidUTF8(name[:longest], "") + "..."
}
