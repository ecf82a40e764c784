package inflate

import "math/bits"

// entry is what a table says of the next bits:
//
//	bits 0-7    how many of them it is about
//	bits 8-15   its kind
//	bits 16-23  how many literals | how many extra bits
//	bits 32-63  the literals      | the base they are added to
//
// An entry that points to a second table has that one's place as its base and
// its width as its extra bits.
type entry uint64

const (
	kindNothing = iota
	kindLiterals
	kindLength // or distance
	kindEnd
	kindTable
)

func (e entry) bits() uint    { return uint(e & 0x3f) }
func (e entry) kind() uint8   { return uint8(e >> 8) }
func (e entry) literals() int { return int(e >> 16 & 0xff) }
func (e entry) extra() uint   { return uint(e >> 16 & 0x3f) }
func (e entry) base() int     { return int(e >> 32) }

func makeEntry(kind uint8, extra, base uint) entry {
	return entry(kind)<<8 | entry(extra)<<16 | entry(base)<<32
}

// The width of the tables that are looked into first. Four of the wider ones
// fit into what one load brings.
const (
	tableBits    = 11
	tableMask    = 1<<tableBits - 1
	distanceBits = 8
	distanceMask = 1<<distanceBits - 1
	longestCode  = 15
	lengthCodes  = 288
)

// tables are those of a block. Codes longer than a first table is wide go on
// in a second one.
type tables struct {
	// single has one symbol for each index, literals as many as fit.
	single, literals [1 << tableBits]entry
	distances        [1 << distanceBits]entry
	more, moreAway   []entry
	lengths          [lengthCodes + 32]uint8
}

func (t *tables) symbol(next uint64) entry {
	e := t.literals[next&tableMask]
	if e.kind() == kindTable {
		e = t.more[uint64(e.base())+next>>tableBits&(1<<e.extra()-1)]
	}
	return e
}

func (t *tables) distance(next uint64) entry {
	e := t.distances[next&distanceMask]
	if e.kind() == kindTable {
		e = t.moreAway[uint64(e.base())+next>>distanceBits&(1<<e.extra()-1)]
	}
	return e
}

// make makes the tables of the first `symbols` code lengths, which are those of
// literals and lengths, and of the rest, which are those of distances.
func (t *tables) make(lengths []uint8, symbols int) error {
	var err error
	if t.more, err = build(t.single[:], t.more[:0], tableBits, lengths[:symbols], symbolEntry); err != nil {
		return err
	}
	if t.moreAway, err = build(t.distances[:], t.moreAway[:0], distanceBits, lengths[symbols:], distanceEntry); err != nil {
		return err
	}
	t.join()
	return nil
}

// join makes entries of up to four literals from those of one.
func (t *tables) join() {
	for i := range t.single {
		e := t.single[i]
		if e.kind() == kindLiterals {
			used, number := e.bits(), uint(1)
			for number < 4 {
				// The bits above are not known here and count as none.
				next := t.single[i>>used]
				if next.kind() != kindLiterals || used+next.bits() > tableBits {
					break
				}
				e |= next >> 32 << (32 + 8*number)
				used, number = used+next.bits(), number+1
			}
			e = e&^0xff_00ff | entry(used) | entry(number)<<16
		}
		t.literals[i] = e
	}
}

// build fills a first table by code lengths, and returns the second ones.
func build(first, more []entry, width uint, lengths []uint8, of func(symbol int) entry) ([]entry, error) {
	var count [longestCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	clear(first)
	if count[0] == len(lengths) {
		return more, nil // no code at all: nothing may be asked for
	}
	var next [longestCode + 2]uint
	free := 1
	for n := 1; n <= longestCode; n++ {
		free = free*2 - count[n]
		if free < 0 {
			return more, corrupt("more codes of a length than there can be")
		}
		next[n+1] = (next[n] + uint(count[n])) << 1
	}
	if free > 0 && (count[1] != 1 || count[0] != len(lengths)-1) {
		return more, corrupt("codes that leave others without a meaning")
	}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		// Codes are read from their highest bit on, all else from the lowest.
		code := uint(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		e := of(symbol) | entry(n)
		if uint(n) <= width {
			fill(first, code, uint(n), e)
			continue
		}
		more = fillSecond(first, more, width, code, uint(n), e)
	}
	return more, nil
}

// fill sets the entry at all indices that end in the code.
func fill(table []entry, code, n uint, e entry) {
	for i := code; i < uint(len(table)); i += 1 << n {
		table[i] = e
	}
}

// fillSecond sets the entry in the table that its code's begin leads to, all of
// which are as wide as the longest code may be.
func fillSecond(first, more []entry, width, code, n uint, e entry) []entry {
	const widest = longestCode
	at := &first[code&(1<<width-1)]
	if at.kind() != kindTable {
		*at = makeEntry(kindTable, widest-width, uint(len(more)))
		more = append(more, make([]entry, 1<<(widest-width))...)
	}
	fill(more[at.base():at.base()+1<<(widest-width)], code>>width, n-width, e)
	return more
}

// symbolEntry and distanceEntry are the tables of RFC 1951, 3.2.5.
func symbolEntry(symbol int) entry {
	switch {
	case symbol < 256:
		return makeEntry(kindLiterals, 1, uint(symbol))
	case symbol == 256:
		return makeEntry(kindEnd, 0, 0)
	case symbol < 265:
		return makeEntry(kindLength, 0, uint(symbol-257+3))
	case symbol < 285:
		extra := uint(symbol-261) / 4
		return makeEntry(kindLength, extra, 3+(4+uint(symbol-261)%4)<<extra)
	case symbol == 285:
		return makeEntry(kindLength, 0, 258)
	default:
		return 0
	}
}

func distanceEntry(symbol int) entry {
	switch {
	case symbol < 4:
		return makeEntry(kindLength, 0, uint(symbol+1))
	case symbol < 30:
		extra := uint(symbol-2) / 2
		return makeEntry(kindLength, extra, 1+(2+uint(symbol)%2)<<extra)
	default:
		return 0
	}
}

func (t *tables) makeFixed() error {
	lengths := t.lengths[:]
	for i := range lengths {
		switch {
		case i < 144, 280 <= i && i < lengthCodes:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 5
		}
	}
	for i := 280; i < lengthCodes; i++ {
		lengths[i] = 8
	}
	return t.make(lengths, lengthCodes)
}

// order is that of the code lengths' own code lengths.
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// read reads the code lengths at the head of a block.
func (t *tables) read(s *state) error {
	if !s.need(14) {
		return errEnd
	}
	symbols, distances, own := int(s.take(5))+257, int(s.take(5))+1, int(s.take(4))+4
	if symbols > 286 || distances > 30 {
		return corrupt("a block with too many codes")
	}
	var lengths [19]uint8
	for i := range own {
		if !s.need(3) {
			return errEnd
		}
		lengths[order[i]] = uint8(s.take(3))
	}
	const width = 7
	table := t.single[:1<<width] // made anew below
	if _, err := build(table, nil, width, lengths[:], func(symbol int) entry { return makeEntry(kindLength, 0, uint(symbol)) }); err != nil {
		return err
	}
	all := t.lengths[:symbols+distances]
	for i := 0; i < len(all); {
		s.need(width + 7)
		e := table[s.bits&(1<<width-1)]
		if e.kind() == kindNothing {
			return errCode
		}
		if e.bits() > s.count {
			return errEnd
		}
		s.take(e.bits())
		var value uint8
		var times int
		switch code := e.base(); code {
		case 16:
			if i == 0 {
				return corrupt("a code length repeats one that is not there")
			}
			value, times = all[i-1], 3+int(s.take(2))
		case 17:
			times = 3 + int(s.take(3))
		case 18:
			times = 11 + int(s.take(7))
		default:
			value, times = uint8(code), 1
		}
		if int(s.count) < 0 || times > len(all)-i {
			return corrupt("code lengths that go beyond the last")
		}
		for range times {
			all[i] = value
			i++
		}
	}
	if all[256] == 0 {
		return corrupt("a block without an end")
	}
	return t.make(all, symbols)
}
