package codepackage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// FuzzExtract: whatever the archive, nothing appears outside the folder, and
// inside it only files and folders within the limits. The fuzzer changes the
// tar; packing and checksums, which would only stop it, are put right.
func FuzzExtract(f *testing.F) {
	for _, members := range [][]member{
		flow(`{"ext_info": [{}, {}]}`),
		{of(tar.TypeSymlink, "a", ".."), file("a/evil", "x")},
		{of(tar.TypeSymlink, "a", "/tmp"), file("a/evil", "x")},
		{file("a", ""), of(tar.TypeLink, "b", "../../evil")},
		{file("../evil", "x")},
		{file("/tmp/evil", "x")},
		{file("a/../../evil", "x")},
		{of(tar.TypeDir, "../evil/", "")},
		{of(tar.TypeDir, "a/", ""), file("A/b", "")},
		{of(tar.TypeFifo, "a", ""), of(tar.TypeChar, "b", "")},
		{{tar.Header{Name: "a", Mode: 0o6777}, "x"}},
		{file("a", string(make([]byte, 5000)))},
		{file(".mf_code", ""), file(".metaflow", "")},
		{file(".mf_meta/INFO", `{"ext_info": [{}, {"plugins": [null]}]}`)},
	} {
		f.Add(unzipped(f, tgz(f, members...)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		archive := zipped(t, checksummed(raw))
		l := limits{total: 1 << 16, entries: 50, ratio: 10, harmless: 1 << 12}
		outer := t.TempDir()
		inner := filepath.Join(outer, "inner")
		if err := os.Mkdir(inner, 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(inner)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if extract(t.Context(), bytes.NewReader(archive), int64(len(archive)), root, l) == nil {
			_ = inject(root, layoutV1)
		}
		if left := leftIn(t, outer); !slices.Equal(left, []string{"inner"}) {
			t.Fatalf("outside: %v", left)
		}
		total, entries := int64(0), 0
		err = filepath.WalkDir(inner, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if !info.IsDir() && !info.Mode().IsRegular() || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
				t.Errorf("%s: %s", path, info.Mode())
			}
			if info.Mode().IsRegular() {
				total += info.Size()
			}
			entries++
			return nil
		})
		const shim = 1 << 20
		if err != nil || total > l.total+shim || entries > l.entries+40 {
			t.Errorf("%v, %d bytes, %d entries", err, total, entries)
		}
	})
}

func unzipped(t testing.TB, archive []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func zipped(t testing.TB, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// checksummed returns the tar with a right checksum in every block that a
// reader comes to as a header.
func checksummed(raw []byte) []byte {
	const block, at, size = 512, 148, 124
	raw = slices.Clone(raw)
	for offset := 0; offset+block <= len(raw); {
		header := raw[offset : offset+block]
		copy(header[at:], "        ")
		sum := 0
		for _, b := range header {
			sum += int(b)
		}
		offset += block
		if sum == 8*' ' { // a block of zeros ends the archive
			clear(header)
			continue
		}
		copy(header[at:], fmt.Sprintf("%06o\x00 ", sum))
		n, err := strconv.ParseInt(strings.Trim(string(header[size:size+12]), " \x00"), 8, 32)
		if err == nil && n > 0 {
			offset += (int(n) + block - 1) / block * block
		}
	}
	return raw
}

// FuzzInfo: what is read is written back readable, with ours last.
func FuzzInfo(f *testing.F) {
	for _, seed := range []string{
		`{"ext_info": [{}, {}]}`, `{"ext_info": [{"a": 1}, {"plugins": [["a", "b", "c"]], "config": []}], "z": [1e400]}`,
		`{"ext_info": [null, {}]}`, `{"ext_info": 1}`, `{"ext_info": [{}, {"plugins": null}]}`, `[]`, `{"a": "\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	files := []string{"millrace_runtime/plugins/mfextinit_millrace_runtime.py"}
	f.Fuzz(func(t *testing.T, info []byte) {
		edited, err := addExtension(info, files)
		if err != nil {
			return
		}
		if !json.Valid(edited) {
			t.Fatalf("not JSON: %s", edited)
		}
		again, err := addExtension(edited, files)
		if err != nil || !json.Valid(again) {
			t.Errorf("the edited one is refused: %v: %s", err, edited)
		}
	})
}
