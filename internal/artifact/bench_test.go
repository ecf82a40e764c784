package artifact_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

// BenchmarkSave compares one save with what Metaflow does for it in Python,
// SHA-1 and gzip level 3, on the same content in the same run: the ratio means
// something on any machine, the MB/s only on this one.
func BenchmarkSave(b *testing.B) {
	for name, content := range map[string][]byte{"text": text(16 << 20), "noise": noise(16 << 20), "half": half(64 << 20)} {
		b.Run(name, func(b *testing.B) {
			k := key(content)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				pool := artifact.New(artifact.Config{TempDir: b.TempDir(), Memory: 256 << 20})
				if err := pool.Save(b.Context(), mem.New(), k, objstore.Bytes(content), false, nil); err != nil {
					b.Fatal(err)
				}
			}
			ours := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(float64(python(b, content))/float64(ours), "x-python")
		})
	}
}

// BenchmarkLoad is the way back.
func BenchmarkLoad(b *testing.B) {
	for name, content := range map[string][]byte{"text": text(16 << 20), "half": half(64 << 20)} {
		b.Run(name, func(b *testing.B) {
			k, store, pool := key(content), mem.New(), artifact.New(artifact.Config{TempDir: b.TempDir()})
			if err := pool.Save(b.Context(), store, k, objstore.Bytes(content), false, nil); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(content)))
			file := filepath.Join(b.TempDir(), "out")
			for b.Loop() {
				if err := pool.Load(b.Context(), store, k, file); err != nil {
					b.Fatal(err)
				}
				os.Remove(file)
			}
		})
	}
}

// half is content of which half is noise: integers of 64 bits that would fit
// into 32.
func half(size int) []byte {
	content := noise(size)
	for i := range content {
		if i&4 != 0 {
			content[i] = 0
		}
	}
	return content
}

// python returns how long Python takes for the same, without its start.
func python(b *testing.B, content []byte) time.Duration {
	b.Helper()
	path := filepath.Join(b.TempDir(), "content")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.Fatal(err)
	}
	const script = `
import gzip, hashlib, io, sys, time
data = open(sys.argv[1], "rb").read()
begin = time.perf_counter_ns()
hashlib.sha1(data).hexdigest()
out = io.BytesIO()
with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=3) as f:
    f.write(data)
print(time.perf_counter_ns() - begin)
`
	out, err := exec.CommandContext(b.Context(), "python3", "-c", script, path).CombinedOutput()
	if err != nil {
		b.Fatalf("python: %v\n%s", err, out)
	}
	took, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(took)
}
