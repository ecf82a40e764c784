package tasksocket

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path"

	"github.com/millrace/millrace/internal/objstore"
)

// A join looks at the foreach stack of every input, and these differ in two
// places only: the split's index and its value, which the list of the split's
// values tells. So of one stack and that list all others follow. The SHA-1 that
// each input's data.json names is the proof; where it does not hold, the stack
// is fetched like anything else.
type stacks struct {
	// A stack is the prologue with its length, head, index, value, tail.
	head, tail []byte
	values     []*string
}

// The ops of pickle's protocol 4 that Metaflow's lists of frames and of values
// are written with.
const (
	opProto, opFrame, opStop               = 0x80, 0x95, '.'
	opList, opMark, opAppend, opAppends    = ']', '(', 'a', 'e'
	opMemoize, opGet, opLongGet            = 0x94, 'h', 'j'
	opShortText, opNone                    = 0x8c, 'N'
	opInt1, opInt2, opInt4, opTuple, opNew = 'K', 'M', 'J', 't', 0x81

	prologue = 2 + 1 + 8
	// longestValues bounds the list of values: 30 characters for each split.
	longestValues = 32 << 20
)

// learnStacks takes one input's stack for the pattern of all; it returns nil
// when they do not follow from it.
func learnStacks(pickled []byte, i int, pickledValues []byte) *stacks {
	values, ok := parseValues(pickledValues)
	if !ok || i >= len(values) || len(pickled) < prologue+6 {
		return nil
	}
	tail := pickled[len(pickled)-6:]
	if !bytes.HasPrefix(tail, []byte{opTuple, opMemoize, opNew, opMemoize}) || tail[5] != opStop {
		return nil
	}
	head, ok := bytes.CutSuffix(pickled[prologue:len(pickled)-6], encodePlace(i, values[i]))
	s := &stacks{head: head, tail: tail, values: values}
	if !ok || !bytes.Equal(s.encode(i), pickled) {
		return nil
	}
	return s
}

// of returns the stack of input i if it is what the key says.
func (s *stacks) of(i int, sha string) []byte {
	if s == nil || i >= len(s.values) {
		return nil
	}
	pickled := s.encode(i)
	if sum := sha1.Sum(pickled); hex.EncodeToString(sum[:]) != sha {
		return nil
	}
	return pickled
}

func (s *stacks) encode(i int) []byte {
	place := encodePlace(i, s.values[i])
	out := binary.LittleEndian.AppendUint64([]byte{opProto, 4, opFrame}, uint64(len(s.head)+len(place)+len(s.tail)))
	return append(append(append(out, s.head...), place...), s.tail...)
}

func encodePlace(i int, value *string) []byte {
	var out []byte
	switch {
	case i < 1<<8:
		out = []byte{opInt1, byte(i)}
	case i < 1<<16:
		out = binary.LittleEndian.AppendUint16([]byte{opInt2}, uint16(i))
	default:
		out = binary.LittleEndian.AppendUint32([]byte{opInt4}, uint32(i))
	}
	if value == nil {
		return append(out, opNone)
	}
	return append(append(append(out, opShortText, byte(len(*value))), *value...), opMemoize)
}

// parseValues reads a pickled list of short texts and Nones.
func parseValues(p []byte) (values []*string, ok bool) {
	if len(p) < 3 || p[0] != opProto || p[1] != 4 {
		return nil, false
	}
	var memo []*string
	var last *string
	for p = p[2:]; len(p) > 0; {
		op, size := p[0], 1
		switch op {
		case opFrame:
			size += 8
		case opShortText, opGet:
			size++
		case opLongGet:
			size += 4
		case opList, opMark, opAppend, opAppends, opMemoize, opNone, opStop:
		default:
			return nil, false
		}
		if op == opShortText && len(p) > 1 {
			size += int(p[1])
		}
		if len(p) < size {
			return nil, false
		}
		argument := p[1:size]
		p = p[size:]
		switch op {
		case opMemoize:
			memo = append(memo, last)
		case opShortText:
			last = new(string(argument[1:]))
			values = append(values, last)
		case opNone:
			values = append(values, nil)
		case opGet, opLongGet:
			at := uint64(argument[0])
			if op == opLongGet {
				at = uint64(binary.LittleEndian.Uint32(argument))
			}
			if at == 0 || at >= uint64(len(memo)) { // 0 is the list itself
				return nil, false
			}
			values = append(values, memo[at])
		case opStop:
			return values, len(p) == 0
		}
	}
	return nil, false
}

// guess returns the content of a foreach stack of an input without fetching it,
// or nil.
func (in *inputs) guess(ctx context.Context, store objstore.Store, key string) []byte {
	if in == nil || store != in.store || len(in.tasks) <= few {
		return nil
	}
	sha := path.Base(key)
	i, ok := in.index.stackOf(sha)
	if !ok {
		return nil
	}
	in.learning.Do(func() {
		pickled, err := in.content(ctx, sha)
		if err != nil {
			return
		}
		values, err := in.content(ctx, in.index.valuesOf(i))
		if err != nil {
			return
		}
		in.stacks = learnStacks(pickled, i, values)
	})
	return in.stacks.of(i, sha)
}

// content returns a small object's content.
func (in *inputs) content(ctx context.Context, sha string) ([]byte, error) {
	if !isKey(sha) {
		return nil, invalid("%.100q is no key", sha)
	}
	name := in.s.spoolName("ahead")
	if err := in.s.cfg.Artifacts.Load(ctx, in.store, in.contentKey(sha), name); err != nil {
		return nil, err
	}
	defer os.Remove(name)
	if st, err := os.Stat(name); err != nil || st.Size() > longestValues {
		return nil, invalid("%s is too large", sha)
	}
	return os.ReadFile(name)
}
