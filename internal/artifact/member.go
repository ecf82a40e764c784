package artifact

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/millrace/millrace/internal/artifact/inflate"
)

// A large artifact is stored as a gzip file of many members, one per block,
// which every reader of gzip reads as one content. Ours have in their header's
// extra field how long the member is, so that they are told apart without
// being decoded:
//
//	1f 8b 08 04 <mtime, xfl, os: 6 bytes> | 08 00 'M' 'R' 04 00 <size: 4 bytes> | deflate, CRC, length
const (
	sizeAt     = 16
	headerSize = 20
	// trailerSize is that of the CRC-32 and the length of the content.
	trailerSize = 8
)

var extraMark = []byte{'M', 'R', 4, 0}

// longestMember bounds a member of ours: what deflate adds at worst, and the
// header and trailer.
const longestMember = blockSize + blockSize/512 + 128

// packBlocks writes r to w as members, several of them compressed at a time.
func (p *Pool) packBlocks(ctx context.Context, w io.Writer, r io.Reader) error {
	produce := func(ctx context.Context, emit func(*block)) error {
		for {
			b, err := p.takeBlock(ctx)
			if err != nil {
				return err
			}
			n, err := fill(b.in[:blockSize], r)
			if n == 0 {
				p.giveBlock(b)
				return ignoreEOF(err)
			}
			p.work(ctx, b, func() error { return p.packMember(b, n) })
			emit(b)
			if err != nil {
				return ignoreEOF(err)
			}
		}
	}
	return p.inOrder(ctx, produce, func(member []byte) error {
		_, err := w.Write(member)
		return err
	})
}

func (p *Pool) packMember(b *block, n int) error {
	content := b.in[:n]
	if err := zip(p.writersFor(content), append(bytes.Clone(extraMark), 0, 0, 0, 0), &b.out, bytes.NewReader(content)); err != nil {
		return err
	}
	b.content = b.out.Bytes()
	binary.LittleEndian.PutUint32(b.content[sizeAt:], uint32(len(b.content)))
	return nil
}

// memberSize returns the size that a member of ours has by its header.
func memberSize(head []byte) (int, bool) {
	if len(head) < headerSize || head[0] != 0x1f || head[1] != 0x8b || head[3] != 4 || head[10] != 8 || head[11] != 0 || !bytes.Equal(head[12:sizeAt], extraMark) {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(head[sizeAt:])
	return int(n), n > headerSize && n <= longestMember
}

// notGzipError is content that does not begin as gzip does.
type notGzipError struct{ error }

// unpackBlocks emits the content of a gzip file: members of ours several at a
// time, anything else as it comes.
func (p *Pool) unpackBlocks(ctx context.Context, r *bufio.Reader, emit func(*block)) error {
	for first := true; ; first = false {
		head, err := r.Peek(headerSize)
		if len(head) == 0 && !first {
			return ignoreEOF(err)
		}
		n, ours := memberSize(head)
		if !ours {
			z, err := gzip.NewReader(r)
			if err != nil {
				if first {
					err = notGzipError{err}
				}
				return err
			}
			defer z.Close()
			return p.plainBlocks(ctx, z, emit)
		}
		b, err := p.takeBlock(ctx)
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(r, b.in[:n]); err != nil {
			p.giveBlock(b)
			return err
		}
		p.work(ctx, b, func() error { return p.unpackMember(b, n) })
		emit(b)
	}
}

// unpackMember decodes a member of ours. What it cannot, whoever is to blame,
// the library tries, whose word it then is.
func (p *Pool) unpackMember(b *block, n int) error {
	if content, ok := p.inflated(b, n); ok {
		b.content = content
		return nil
	}
	z, ok := p.readers.Get().(*gzip.Reader)
	if !ok {
		return errors.New("the pool of readers holds something else")
	}
	defer p.readers.Put(z)
	if err := z.Reset(bytes.NewReader(b.in[:n])); err != nil {
		return err
	}
	if _, err := b.out.ReadFrom(io.LimitReader(z, blockSize+1)); err != nil {
		return err
	}
	b.content = b.out.Bytes()
	if len(b.content) > blockSize {
		return fmt.Errorf("a member holds more than %d bytes", blockSize)
	}
	return nil
}

// inflated is the content of a member of ours by our own decoder, if its
// trailer says the same.
func (p *Pool) inflated(b *block, n int) ([]byte, bool) {
	d, ok := p.inflaters.Get().(*inflate.Decoder)
	if !ok || n < headerSize+trailerSize {
		return nil, false
	}
	defer p.inflaters.Put(d)
	body, trailer := b.in[headerSize:n-trailerSize], b.in[n-trailerSize:n]
	size := binary.LittleEndian.Uint32(trailer[4:])
	if size > blockSize {
		return nil, false
	}
	b.out.Grow(blockSize)
	content := b.out.AvailableBuffer()[:size]
	got, err := d.Decode(content, body)
	return content, err == nil && got == len(content) && crc32.ChecksumIEEE(content) == binary.LittleEndian.Uint32(trailer)
}
