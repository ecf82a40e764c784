package inflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	faster "github.com/klauspost/compress/flate"

	"github.com/millrace/millrace/internal/artifact/inflate"
)

func random(size int) []byte {
	source := rand.NewChaCha8([32]byte{1})
	content := make([]byte, size)
	_, _ = source.Read(content)
	return content
}

// contents are of all the kinds that use other codes and blocks.
func contents() map[string][]byte {
	text, numbers, mixed, skewed := []byte{}, random(300_000), random(300_000), random(300_000)
	for n := 0; len(text) < 300_000; n++ {
		text = fmt.Appendf(text, "%d bottles of beer on the wall, ", n)
	}
	for i := range numbers {
		if i&4 != 0 {
			numbers[i] = 0
		}
	}
	for i := range mixed {
		if i/5000%2 == 0 {
			mixed[i] = "abcdefgh"[mixed[i]%8]
		}
	}
	for i := range skewed { // codes of all lengths
		n := 0
		for skewed[i]&1 == 0 && n < 40 {
			skewed[i] >>= 1
			n++
		}
		skewed[i] = byte(n) * 5
	}
	return map[string][]byte{
		"nothing": {}, "one byte": {7}, "zeros": make([]byte, 300_000), "noise": random(300_000),
		"text": text, "numbers": numbers, "mixed": mixed, "skewed": skewed, "short": []byte("a short text, a short text"),
	}
}

func packed(t testing.TB, content []byte, level int, writer string) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	if writer == "standard" {
		w, err = flate.NewWriter(&out, level)
	} else {
		w, err = faster.NewWriter(&out, level)
	}
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDecode(t *testing.T) {
	var decoder inflate.Decoder // its tables are used again
	for name, content := range contents() {
		for _, writer := range []string{"standard", "faster"} {
			for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 3, 6, 9} {
				stream := packed(t, content, level, writer)
				dst := make([]byte, len(content))
				n, err := decoder.Decode(dst, stream)
				if err != nil || !bytes.Equal(dst[:n], content) {
					t.Errorf("%s by the %s writer, level %d: %d bytes, %v", name, writer, level, n, err)
				}
			}
		}
	}
}

// What breaks off, goes on or holds too much is an error, wherever it does.
func TestBroken(t *testing.T) {
	var decoder inflate.Decoder
	for name, content := range contents() {
		content = content[:min(len(content), 3000)]
		stream := packed(t, content, 6, "standard")
		dst := make([]byte, len(content))
		for cut := range stream {
			if _, err := decoder.Decode(dst, stream[:cut]); !errors.Is(err, inflate.ErrCorrupt) {
				t.Fatalf("%s cut after %d bytes of %d: %v", name, cut, len(stream), err)
			}
		}
		if _, err := decoder.Decode(dst, append(bytes.Clone(stream), 0)); !errors.Is(err, inflate.ErrCorrupt) {
			t.Errorf("%s with a byte more: %v", name, err)
		}
		for room := range dst {
			if _, err := decoder.Decode(dst[:room], stream); !errors.Is(err, inflate.ErrCorrupt) {
				t.Fatalf("%s into %d bytes of %d: %v", name, room, len(dst), err)
			}
		}
	}
}

// FuzzDecode compares with the standard library's decoder.
func FuzzDecode(f *testing.F) {
	for _, content := range contents() {
		for _, level := range []int{flate.HuffmanOnly, 1, 6} {
			f.Add(packed(f, content[:min(len(content), 2000)], level, "standard"))
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		const room = 1 << 16
		source := bytes.NewReader(stream)
		want, failed := io.ReadAll(io.LimitReader(flate.NewReader(source), room+1))
		fine := failed == nil && len(want) <= room && source.Len() == 0
		var decoder inflate.Decoder
		got := make([]byte, room)
		n, err := decoder.Decode(got, stream)
		if (err == nil) != fine {
			t.Fatalf("%v, the standard library: %v (%d bytes, %d left)", err, failed, len(want), source.Len())
		}
		if err == nil && !bytes.Equal(got[:n], want) {
			t.Fatalf("%d bytes that differ from %d", n, len(want))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, content := range contents() {
		if len(content) < 100_000 {
			continue
		}
		stream := packed(b, content, 3, "faster")
		if name == "numbers" {
			stream = packed(b, content, faster.HuffmanOnly, "faster")
		}
		dst := make([]byte, len(content))
		b.Run(name+"/ours", func(b *testing.B) {
			var decoder inflate.Decoder
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if _, err := decoder.Decode(dst, stream); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/library", func(b *testing.B) {
			r, source := faster.NewReader(nil), bytes.NewReader(nil)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				source.Reset(stream)
				if err := r.(faster.Resetter).Reset(source, nil); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(r, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
