package objstore

import (
	"bytes"
	"fmt"
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

// Seekable returns the source's reader, or a copy of its content, for clients
// that read a body twice. A source that has not the size it announced would
// look like a broken connection there.
func Seekable(r io.Reader, announced int64) (io.ReadSeeker, error) {
	rs, ok := r.(io.ReadSeeker)
	if !ok {
		data, err := io.ReadAll(io.LimitReader(r, announced+1))
		if err != nil {
			return nil, fmt.Errorf("reading the source: %w", err)
		}
		rs = bytes.NewReader(data)
	}
	size, err := rs.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = rs.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}
	if size != announced {
		return nil, fmt.Errorf("the source has not the %d bytes it announced", announced)
	}
	return rs, nil
}

// Section is a Source over a part of what can be read anywhere.
type Section struct {
	At            io.ReaderAt
	Offset, Bytes int64
}

// Open implements Source.
func (s Section) Open() (io.ReadCloser, error) {
	return sectionReader{io.NewSectionReader(s.At, s.Offset, s.Bytes)}, nil
}

// sectionReader can seek, as bytesReader does.
type sectionReader struct{ *io.SectionReader }

func (sectionReader) Close() error { return nil }

// Size implements Source.
func (s Section) Size() int64 { return s.Bytes }
