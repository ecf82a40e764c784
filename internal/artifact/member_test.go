package artifact_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

// large is content of several blocks, the last one not full, that shrinks.
func large() []byte { return append(text(1_300_000), noise(200_000)...) }

func stored(t *testing.T, content []byte) []byte {
	t.Helper()
	store := mem.New()
	if err := artifact.New(artifact.Config{TempDir: t.TempDir()}).Save(t.Context(), store, key(content), objstore.Bytes(content), false, nil); err != nil {
		t.Fatal(err)
	}
	data, info, err := objstore.ReadAll(t.Context(), store, key(content), 1<<30)
	if err != nil || info.Metadata[objstore.UserAttributes] != gzipAttributes {
		t.Fatalf("%v, %v", info, err)
	}
	return data
}

// A large artifact is several members, which any reader of gzip reads as one.
func TestLargeArtifactsAreMembers(t *testing.T) {
	content := large()
	data := stored(t, content)
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n := bytes.Count(data, []byte{8, 0, 'M', 'R', 4, 0}); n != 3 {
		t.Errorf("%d members", n)
	}
}

// Members that are not what they say are corrupt, never other content and
// never a wait without end.
func TestBrokenMembers(t *testing.T) {
	content := large()
	data := stored(t, content)
	second := int(binary.LittleEndian.Uint32(data[16:]))
	change := func(f func(d []byte) []byte) []byte { return f(bytes.Clone(data)) }
	for name, broken := range map[string][]byte{
		"cut in the second":         data[:second+50],
		"cut in the second's head":  data[:second+10],
		"without the last":          data[:second],
		"a member twice":            append(bytes.Clone(data[:second]), data...),
		"changed inside":            change(func(d []byte) []byte { d[second+1000] ^= 1; return d }),
		"a size too small":          change(func(d []byte) []byte { d[16]--; return d }),
		"a size too large":          change(func(d []byte) []byte { d[16]++; return d }),
		"a size beyond all bounds":  change(func(d []byte) []byte { d[second+19] = 0xff; return d[:len(d)-9] }),
		"something behind":          append(bytes.Clone(data), "tail"...),
		"a foreign member, cut":     append(bytes.Clone(data[:second]), zip(t, 3, content)[:100]...),
		"a member that is too long": endless(),
	} {
		store, pool := mem.New(), artifact.New(artifact.Config{Encoders: 2})
		if err := store.Put(t.Context(), key(content), objstore.Bytes(broken), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		for range 8 { // more often than there are blocks to lose
			if _, err := load(t, pool, store, key(content)); !errors.Is(err, artifact.ErrCorrupt) || !strings.Contains(err.Error(), key(content)) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// endless is a small member of ours with a content that is none of ours.
func endless() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Extra = []byte{'M', 'R', 4, 0, 0, 0, 0, 0}
	_, _ = z.Write(make([]byte, 5<<20))
	_ = z.Close()
	data := b.Bytes()
	binary.LittleEndian.PutUint32(data[16:], uint32(len(data)))
	return data
}

// Members of ours and of others may follow one another.
func TestMixedMembers(t *testing.T) {
	content := large()
	foreign := text(700_000)
	whole := append(bytes.Clone(content), foreign...)
	store := mem.New()
	if err := store.Put(t.Context(), key(whole), objstore.Bytes(append(stored(t, content), zip(t, 6, foreign)...)), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := load(t, artifact.New(artifact.Config{}), store, key(whole)); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
