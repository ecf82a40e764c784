package objstore

import (
	"bytes"
	"io"
	"os"
)

// Bytes is a Source over a byte slice.
type Bytes []byte

// Open implements Source.
func (b Bytes) Open() (io.ReadCloser, error) { return bytesReader{bytes.NewReader(b)}, nil }

// bytesReader can seek, unlike what io.NopCloser returns: adapters need no
// copy then to send a body twice.
type bytesReader struct{ *bytes.Reader }

func (bytesReader) Close() error { return nil }

// Size implements Source.
func (b Bytes) Size() int64 { return int64(len(b)) }

// FileSource is a Source over a file that does not change while it is read.
type FileSource struct {
	Path  string
	Bytes int64
}

// File stats path and returns it as a Source.
func File(path string) (FileSource, error) {
	st, err := os.Stat(path)
	if err != nil {
		return FileSource{}, err
	}
	return FileSource{Path: path, Bytes: st.Size()}, nil
}

// Open implements Source.
func (f FileSource) Open() (io.ReadCloser, error) { return os.Open(f.Path) }

// Size implements Source.
func (f FileSource) Size() int64 { return f.Bytes }
