// Package inflate decodes deflate (RFC 1951) from memory to memory.
//
// A decoder that reads from and writes to streams looks at every byte to see
// whether there is more, and keeps a window. With both ends in memory eight
// bytes are loaded at a time and one look into a table tells up to four
// literals, which is what content of numbers consists of.
package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCorrupt is wrapped when the input is no deflate stream, breaks off, or
// holds more than there is room for.
var ErrCorrupt = errors.New("corrupt deflate stream")

func corrupt(what string) error { return fmt.Errorf("%s: %w", what, ErrCorrupt) }

// Decoder holds the tables of a block. Its zero value is ready; it is not for
// concurrent use.
type Decoder struct {
	codes tables
	// fixed is made when the first block of that kind comes.
	fixed *tables
}

// Decode decodes the one stream that src is to dst, and returns how many bytes
// that are. What follows the last block in src is an error.
func (d *Decoder) Decode(dst, src []byte) (int, error) {
	s := state{src: src, dst: dst}
	for final := false; !final; {
		if !s.need(3) {
			return s.n, corrupt("it ends where a block begins")
		}
		final = s.take(1) == 1
		if err := d.block(&s, s.take(2)); err != nil {
			return s.n, err
		}
	}
	if rest := len(s.src) - s.pos + int(s.count/8); rest > 0 {
		return s.n, corrupt(fmt.Sprintf("%d bytes follow its end", rest))
	}
	return s.n, nil
}

func (d *Decoder) block(s *state, kind uint64) error {
	switch kind {
	case 0:
		return s.stored()
	case 1:
		if d.fixed == nil {
			d.fixed = new(tables)
			if err := d.fixed.makeFixed(); err != nil {
				return err
			}
		}
		return s.compressed(d.fixed)
	case 2:
		if err := d.codes.read(s); err != nil {
			return err
		}
		return s.compressed(&d.codes)
	default:
		return corrupt("a block of no known kind")
	}
}

// state is how far a stream is decoded: bits holds the next count bits of src,
// which is loaded up to pos. Above count it may hold more of them, the same
// that the next load brings.
type state struct {
	src, dst []byte
	pos, n   int
	bits     uint64
	count    uint
}

// need loads until there are n bits, at most 56.
func (s *state) need(n uint) bool {
	if s.pos+8 <= len(s.src) {
		s.bits |= binary.LittleEndian.Uint64(s.src[s.pos:]) << s.count
		s.pos += int((63 - s.count) >> 3)
		s.count |= 56
		return true
	}
	s.bits &= 1<<s.count - 1
	for s.count < 56 && s.pos < len(s.src) {
		s.bits |= uint64(s.src[s.pos]) << s.count
		s.pos++
		s.count += 8
	}
	return s.count >= n
}

// take takes bits that are there.
func (s *state) take(n uint) uint64 {
	v := s.bits & (1<<n - 1)
	s.bits >>= n
	s.count -= n
	return v
}

func (s *state) stored() error {
	s.take(s.count & 7) // to the next whole byte
	s.pos -= int(s.count / 8)
	s.bits, s.count = 0, 0
	if len(s.src)-s.pos < 4 {
		return corrupt("it ends in the head of a stored block")
	}
	size, check := binary.LittleEndian.Uint16(s.src[s.pos:]), binary.LittleEndian.Uint16(s.src[s.pos+2:])
	if size != ^check {
		return corrupt("the length of a stored block does not fit its check")
	}
	from := s.src[s.pos+4:]
	if int(size) > len(from) {
		return corrupt("it ends in a stored block")
	}
	if int(size) > len(s.dst)-s.n {
		return errRoom
	}
	s.n += copy(s.dst[s.n:], from[:size])
	s.pos += 4 + int(size)
	return nil
}

var (
	errRoom  = corrupt("it holds more than there is room for")
	errCode  = corrupt("a code that stands for nothing")
	errEnd   = corrupt("it ends in a block")
	errReach = corrupt("a repetition from before its begin")
)

// longest is how much one symbol may write, and what is written beyond it.
const longest = 258 + 8

// compressed decodes the symbols of a block up to its end.
func (s *state) compressed(t *tables) error {
	for {
		if ended, err := s.quickly(t); ended || err != nil {
			return err
		}
		if !s.need(1) {
			return errEnd
		}
		e := t.symbol(s.bits)
		if e.bits() > s.count {
			return errEnd
		}
		s.take(e.bits())
		switch e.kind() {
		case kindLiterals:
			if err := s.write(e); err != nil {
				return err
			}
		case kindLength:
			if err := s.repeat(t, e); err != nil {
				return err
			}
		case kindEnd:
			return nil
		default:
			return errCode
		}
	}
}

// quickly decodes symbols while the ends of input and output are not near, and
// says whether the block's end came. What it works on stays in registers.
func (s *state) quickly(t *tables) (ended bool, err error) {
	src, dst, pos, n, bits, count := s.src, s.dst, s.pos, s.n, s.bits, s.count
	for pos+8 <= len(src) && n+longest <= len(dst) {
		bits |= binary.LittleEndian.Uint64(src[pos:]) << (count & 63)
		pos += int((63 - count) >> 3)
		count |= 56
		e := t.literals[bits&tableMask]
		// Four looks take at most 44 of the 56 bits.
		for range 3 {
			if e.kind() != kindLiterals {
				break
			}
			binary.LittleEndian.PutUint32(dst[n:], uint32(e>>32))
			n, bits, count = n+e.literals(), bits>>e.bits(), count-e.bits()
			e = t.literals[bits&tableMask]
		}
		if e.kind() == kindTable {
			e = t.more[uint64(e.base())+bits>>tableBits&(1<<e.extra()-1)]
		}
		if e.kind() == kindLiterals {
			binary.LittleEndian.PutUint32(dst[n:], uint32(e>>32))
			n, bits, count = n+e.literals(), bits>>e.bits(), count-e.bits()
			continue
		}
		if e.kind() != kindLength {
			bits, count = bits>>e.bits(), count-e.bits()
			if ended = e.kind() == kindEnd; !ended {
				err = errCode
			}
			break
		}
		if pos+8 > len(src) {
			break
		}
		bits |= binary.LittleEndian.Uint64(src[pos:]) << (count & 63)
		pos += int((63 - count) >> 3)
		count |= 56
		bits, count = bits>>e.bits(), count-e.bits()
		length := e.base() + int(bits&(1<<e.extra()-1))
		bits, count = bits>>e.extra(), count-e.extra()
		back := t.distance(bits)
		bits, count = bits>>back.bits(), count-back.bits()
		distance := back.base() + int(bits&(1<<back.extra()-1))
		bits, count = bits>>back.extra(), count-back.extra()
		if back.kind() != kindLength {
			err = errCode
			break
		}
		if distance > n {
			err = errReach
			break
		}
		if distance >= 8 && length <= 32 {
			for from, end := n-distance, n+length; n < end; n, from = n+8, from+8 {
				binary.LittleEndian.PutUint64(dst[n:], binary.LittleEndian.Uint64(dst[from:]))
			}
			n += length - (length+7)&^7
			continue
		}
		n = repeat(dst, n, distance, length)
	}
	s.pos, s.n, s.bits, s.count = pos, n, bits, count
	return ended, err
}

// repeat writes at n what is distance before it, and returns where that ends.
func repeat(dst []byte, n, distance, length int) int {
	end := n + length
	for n < end {
		// What is copied doubles when a repetition overlaps itself.
		size := copy(dst[n:end], dst[n-distance:n])
		n += size
		distance += size
	}
	return n
}

// write writes the literals of an entry.
func (s *state) write(e entry) error {
	number, literals := e.literals(), uint32(e>>32)
	if number > len(s.dst)-s.n {
		return errRoom
	}
	for range number {
		s.dst[s.n] = byte(literals)
		s.n++
		literals >>= 8
	}
	return nil
}

// repeat reads the rest of a repetition whose length's code was taken, of at
// most 33 bits, and writes it.
func (s *state) repeat(t *tables, e entry) error {
	if e.extra() > s.count {
		return errEnd
	}
	length := e.base() + int(s.take(e.extra()))
	back := t.distance(s.bits)
	if back.kind() != kindLength {
		return errCode
	}
	if back.bits()+back.extra() > s.count {
		return errEnd
	}
	s.take(back.bits())
	distance := back.base() + int(s.take(back.extra()))
	switch {
	case distance > s.n:
		return errReach
	case length > len(s.dst)-s.n:
		return errRoom
	}
	s.n = repeat(s.dst, s.n, distance, length)
	return nil
}
