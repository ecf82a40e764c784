package codepackage

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/millrace/millrace/python"
)

const (
	// shimName is the shim's folder below metaflow_extensions.
	shimName = "millrace_runtime"
	// longestInfo is far beyond what Metaflow writes.
	longestInfo = 16 << 20
)

// layout says where things are in a package: Metaflow changed it once.
type layout struct{ code, info string }

var (
	layoutV0 = layout{code: ".", info: "INFO"}
	layoutV1 = layout{code: ".mf_code", info: ".mf_meta/INFO"}
)

// layoutOf reads METAFLOW_CODE_METADATA; where there is none, the package
// itself tells.
func layoutOf(metadata string, root *os.Root) (layout, error) {
	if metadata == "" {
		if _, err := root.Lstat(".mf_install"); err == nil {
			return layoutV1, nil
		}
		return layoutV0, nil
	}
	var m struct {
		Format  string `json:"archive_format"`
		Content int    `json:"mfcontent_version"`
	}
	if err := json.Unmarshal([]byte(metadata), &m); err != nil {
		return layout{}, corrupt("its metadata %q cannot be read: %w", shorten(metadata), err)
	}
	if m.Format != "" && m.Format != "tgz" {
		return layout{}, corrupt("its format is %q, only tgz is known; is this launcher too old for that Metaflow?", m.Format)
	}
	switch m.Content {
	case 0:
		return layoutV0, nil
	case 1:
		return layoutV1, nil
	default:
		return layout{}, corrupt("its layout is number %d; this launcher knows 0 and 1 and is too old for that Metaflow", m.Content)
	}
}

// inject puts the shim into the package and, in the package's list of
// extensions, behind all others: the last one wins.
func inject(root *os.Root, l layout) error {
	shim := python.Shim()
	target := path.Join(l.code, "metaflow_extensions")
	if err := makeFolder(root, target); err != nil {
		return err
	}
	// A shim that was packed with the flow may be of another version.
	if err := root.RemoveAll(path.Join(target, shimName)); err != nil {
		return err
	}
	files, err := copyShim(root, shim, target)
	if err != nil {
		return err
	}
	info, err := readInfo(root, l.info)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Metaflow then looks for extensions itself and finds it
	}
	if err != nil {
		return err
	}
	edited, err := addExtension(info, files)
	if err != nil {
		return corrupt("%s: %w", l.info, err)
	}
	return root.WriteFile(l.info, edited, 0o644)
}

// copyShim returns the names of the files, sorted.
func copyShim(root *os.Root, shim fs.FS, target string) ([]string, error) {
	var files []string
	err := fs.WalkDir(shim, shimName, func(name string, item fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := path.Join(target, name)
		if item.IsDir() {
			return makeFolder(root, to)
		}
		content, err := fs.ReadFile(shim, name)
		if err != nil {
			return err
		}
		files = append(files, name)
		return root.WriteFile(to, content, 0o644)
	})
	return files, err
}

// makeFolder tells an archive that holds a file of that name from a machine
// that is in trouble.
func makeFolder(root *os.Root, name string) error {
	err := root.MkdirAll(name, 0o755)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrExist) {
		return corrupt("its %s is not a folder: %w", name, err)
	}
	return err
}

func readInfo(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, corrupt("%w", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > longestInfo {
		return nil, corrupt("%s is not a file of at most %d bytes", name, longestInfo)
	}
	return io.ReadAll(f)
}
