package codepackage

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/klauspost/compress/gzip"
)

// extract unpacks a tgz of that size into root. It takes files and folders;
// all else that tar knows is refused, because a package holds nothing else.
func extract(ctx context.Context, archive io.Reader, size int64, root *os.Root, l limits) error {
	unpacked, err := gzip.NewReader(bufio.NewReaderSize(archive, 64<<10))
	if err != nil {
		return readFailed(err)
	}
	allowed := l.bytes(size)
	// Two budgets of the same size: a sparse file is short in the stream and
	// long on disk, a tree of empty files the other way round.
	stream, disk := &budget{allowed, allowed}, &budget{allowed, allowed}
	entries := tar.NewReader(metered{unpacked, stream})
	seen := names{limit: l.entries, known: map[string]entry{}}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return readFailed(err)
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := extractEntry(header, entries, root, &seen, disk); err != nil {
			return fmt.Errorf("entry %q: %w", shorten(header.Name), err)
		}
	}
}

func extractEntry(header *tar.Header, content io.Reader, root *os.Root, seen *names, disk *budget) error {
	name, err := checkName(header.Name)
	if err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if name == "." {
			return nil
		}
		if err := seen.add(name, true); err != nil {
			return err
		}
		return root.MkdirAll(name, 0o755)
	case tar.TypeReg:
		if name == "." {
			return corrupt("a file of that name")
		}
		if header.FileInfo().Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			return corrupt("it is set-user-id or set-group-id")
		}
		if err := seen.add(name, false); err != nil {
			return err
		}
		if err := disk.spend(header.Size); err != nil {
			return err
		}
		return extractFile(header, name, content, root)
	case tar.TypeLink, tar.TypeSymlink:
		return corrupt("it is a link, to %q", shorten(header.Linkname))
	default:
		return corrupt("it is of type %q, neither file nor folder", header.Typeflag)
	}
}

func extractFile(header *tar.Header, name string, content io.Reader, root *os.Root) error {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// Readable and writable for us whatever the archive says.
	mode := header.FileInfo().Mode().Perm() | 0o600
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	written, err := io.Copy(f, content)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return readFailed(err)
	}
	if written != header.Size {
		return corrupt("%d bytes of %d are there", written, header.Size)
	}
	// Python compares a module's time with that of its compiled form.
	return root.Chtimes(name, time.Time{}, header.ModTime)
}

// readFailed sorts the errors of reading an archive: of the machine, or else
// of the archive.
func readFailed(err error) error {
	var path *fs.PathError
	if errors.Is(err, ErrCorrupt) || errors.As(err, &path) {
		return err
	}
	return corrupt("not a sound tgz: %w", err)
}
