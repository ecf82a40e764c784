package gcs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
)

// newChecksum is the checksum Google keeps of every object.
func newChecksum() hash.Hash32 { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }

func encoded(sum hash.Hash32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
}

// body reports a connection that breaks off, or content that is not what the
// server has, as what it is. left is what was announced and has not come.
type body struct {
	ctx   context.Context
	store *Store
	key   string
	r     io.Reader
	left  int64
	// want is the checksum of the whole object, "" for a part of one.
	want string
	sum  hash.Hash32
}

func newBody(ctx context.Context, s *Store, key string, answer *http.Response) *body {
	b := &body{ctx: ctx, store: s, key: key, r: answer.Body, left: answer.ContentLength, sum: newChecksum()}
	if answer.StatusCode == http.StatusOK {
		for _, line := range answer.Header.Values("X-Goog-Hash") {
			for said := range strings.SplitSeq(line, ",") {
				if sum, ok := strings.CutPrefix(strings.TrimSpace(said), "crc32c="); ok {
					b.want = sum
				}
			}
		}
	}
	return b
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.want != "" {
		b.sum.Write(p[:n])
	}
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
	case b.left > 0:
		err = io.ErrUnexpectedEOF
	case b.want != "" && encoded(b.sum) != b.want:
		err = fmt.Errorf("the checksum is %s, the server has %s", encoded(b.sum), b.want)
	default:
		return n, io.EOF
	}
	return n, b.store.failed(b.ctx, "get", b.key, fmt.Errorf("%w: %w", errBrokeOff, err))
}
