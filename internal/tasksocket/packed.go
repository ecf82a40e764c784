package tasksocket

import (
	"bufio"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/gzip"

	"github.com/millrace/millrace/internal/objstore"
)

// content returns what the object's key is the SHA-1 of. Usually that is what
// was sent. A Metaflow whose packing the shim could not replace sends gzip
// instead, which is undone.
func (s *Server) content(o object) (objstore.Source, func(), error) {
	keep := func() {}
	if o.isRaw() {
		return o.source, keep, nil
	}
	packed, err := isPacked(o)
	if err != nil || !packed {
		return o.source, keep, err
	}
	return s.unpack(o)
}

// isPacked says whether the object looks like gzip and is not what its key
// says: an artifact may look like gzip by itself.
func isPacked(o object) (bool, error) {
	r, err := o.source.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	b := bufio.NewReader(r)
	if head, err := b.Peek(2); err != nil || head[0] != 0x1f || head[1] != 0x8b {
		return false, nil // too short is not gzip either
	}
	hash := sha1.New()
	if _, err := io.Copy(hash, b); err != nil {
		return false, err
	}
	return hex.EncodeToString(hash.Sum(nil)) != path.Base(o.Path), nil
}

func (s *Server) unpack(o object) (_ objstore.Source, release func(), err error) {
	name := s.spoolName("unpacked")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	os.Remove(name) // only we read it
	r, err := o.source.Open()
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return nil, nil, invalid("it is neither what its key says nor gzip: %v", err)
	}
	size, err := io.Copy(f, z)
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, nil, invalid("its gzip cannot be undone: %v", err)
	}
	unpacked := &handed{file: f, size: size}
	return unpacked, unpacked.release, nil
}
