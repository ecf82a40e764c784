package tasksocket

import (
	"encoding/hex"
	"testing"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Stacks and values as Metaflow has pickled them.
const (
	stack0   = "8004953a000000000000005d948c085f5f6d61696e5f5f948c0c466f72656163684672616d65949394288c04776f726b948c027873944df4014b008c01309474948194612e"
	stack300 = "8004953d000000000000005d948c085f5f6d61696e5f5f948c0c466f72656163684672616d65949394288c04776f726b948c027873944df4014d2c018c033330309474948194612e"
	// The second frame of a nested foreach, split 5 with the value abc.
	nested5 = "80049551000000000000005d94288c085f5f6d61696e5f5f948c0c466f72656163684672616d65949394288c04776f726b948c027873944df4014b018c01319474948194680328680468054df4014b058c036162639474948194652e"
	noValue = "8004953c000000000000005d948c085f5f6d61696e5f5f948c0c466f72656163684672616d65949394288c04776f726b948c027873944aa08601004a701101004e74948194612e"
	// ["0", "1", "2", "3", "4", "0"], the last being the first again.
	values = "8004951d000000000000005d94288c0130948c0131948c0132948c0133948c0134948c013094652e"
)

func TestStacksOfMetaflow(t *testing.T) {
	s := learnStacks(unhex(t, stack0), 0, []byte(valuesOf(500)))
	if got := hex.EncodeToString(s.of(300, sha(string(unhex(t, stack300))))); got != stack300 {
		t.Errorf("of split 300: %s", got)
	}
	if got := s.of(299, sha(string(unhex(t, stack300)))); got != nil {
		t.Errorf("a guess that the key does not prove: %x", got)
	}
	if got := s.of(500, sha("")); got != nil {
		t.Errorf("of a split that is none: %x", got)
	}
	if s := learnStacks(unhex(t, nested5), 5, []byte(framed("]\x94(NNNNN\x8c\x03abc\x94e."))); s == nil {
		t.Error("the nested stack is not understood")
	}
	if s := learnStacks(unhex(t, noValue), 70000, []byte(framed("]\x94("+string(repeat('N', 70001))+"e."))); s == nil {
		t.Error("the stack without a value is not understood")
	}
	for name, wrong := range map[string]*stacks{
		"another split": learnStacks(unhex(t, stack0), 1, []byte(valuesOf(500))),
		"no values":     learnStacks(unhex(t, stack0), 0, nil),
		"too few":       learnStacks(unhex(t, stack0), 0, []byte(framed("]\x94."))),
		"no stack":      learnStacks([]byte("x"), 0, []byte(valuesOf(5))),
	} {
		if wrong != nil {
			t.Errorf("%s: %+v", name, wrong)
		}
	}
	if got, ok := parseValues(unhex(t, values)); !ok || len(got) != 6 || *got[4] != "4" || *got[5] != "0" {
		t.Errorf("values: %v, %v", got, ok)
	}
}

func repeat(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

func FuzzValues(f *testing.F) {
	f.Add(unhex(f, values))
	f.Add([]byte(valuesOf(300)))
	f.Add([]byte(framed("]\x94(\x8c\x01x\x94h\x01Ne.")))
	f.Fuzz(func(t *testing.T, pickled []byte) {
		got, ok := parseValues(pickled)
		if ok && len(got) > len(pickled) {
			t.Errorf("%d values of %d bytes", len(got), len(pickled))
		}
		learnStacks(pickled, 1, pickled)
	})
}
