package artifact_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

// streaming is a store that takes objects while they are made, and of each
// forgets what came first, as servers may.
type streaming struct{ *mem.Store }

func (s streaming) Stream(ctx context.Context, key string, most int64, opts objstore.PutOptions, write func(context.Context, io.Writer) error) error {
	if err := write(ctx, io.Discard); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := write(ctx, &b); err != nil {
		return err
	}
	if int64(b.Len()) > most {
		return errors.New("more than was announced")
	}
	return s.Put(ctx, key, objstore.Bytes(b.Bytes()), opts)
}

// What is large is stored while it is encoded, without a file, and still only
// when it is what its key says.
func TestLargeArtifactsStream(t *testing.T) {
	store := streaming{mem.New()}
	fresh := func() *artifact.Pool {
		return artifact.New(artifact.Config{Memory: 1 << 20, TempDir: "/no/such/folder"})
	}
	pool := fresh()
	for name, content := range map[string][]byte{"that shrinks": large(), "of noise": noise(1_000_000)} {
		for _, raw := range []bool{false, true} {
			k := key(content)
			if err := pool.Save(t.Context(), store, k, objstore.Bytes(content), raw, nil); err != nil {
				t.Fatal(err)
			}
			if got, err := load(t, pool, store, k); err != nil || !bytes.Equal(got, content) {
				t.Errorf("content %s: %d bytes, %v", name, len(got), err)
			}
			_, info, err := objstore.ReadAll(t.Context(), store, k, 1<<30)
			if want := raw || name == "of noise"; err != nil || (info.Metadata[objstore.UserAttributes] != gzipAttributes) != want {
				t.Errorf("content %s: %v, %v", name, info, err)
			}
			// The pool remembers what it stored.
			pool = fresh()
			if err := store.Delete(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := key([]byte("other"))
	if err := pool.Save(t.Context(), store, other, objstore.Bytes(large()), false, nil); !errors.Is(err, artifact.ErrCorrupt) {
		t.Errorf("Save under another key = %v", err)
	}
	if _, err := store.Stat(t.Context(), other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}
