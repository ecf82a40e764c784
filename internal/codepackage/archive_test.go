package codepackage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/flowdef"
)

// member is an entry of a test's archive; Typeflag 0 is a file.
type member struct {
	tar.Header
	content string
}

func file(name, content string) member {
	return member{tar.Header{Name: name, Mode: 0o644}, content}
}

func of(kind byte, name, link string) member {
	return member{Header: tar.Header{Name: name, Typeflag: kind, Linkname: link, Mode: 0o755}}
}

// tgz packs what it is told to, however evil.
func tgz(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, m := range members {
		h := m.Header
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		h.Size, h.ModTime = int64(len(m.content)), time.Unix(1575360000, 0)
		if h.Typeflag == tar.TypeXGlobalHeader {
			h = tar.Header{Typeflag: h.Typeflag, PAXRecords: map[string]string{"comment": "x"}}
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const metadataV1 = `{"version": 0, "archive_format": "tgz", "mfcontent_version": 1}`

func refOf(archive []byte, metadata string) flowdef.CodePackage {
	h1, h256 := sha1.Sum(archive), sha256.Sum256(archive)
	return flowdef.CodePackage{
		URL: "s3://bucket/mf/Flow/data/ab/abcd", SHA1: hex.EncodeToString(h1[:]), SHA256: hex.EncodeToString(h256[:]),
		Size: int64(len(archive)), Metadata: metadata,
	}
}

// flow is a sound package as Metaflow makes it.
func flow(info string) []member {
	return []member{
		file("flow.py", "print('hello')\n"),
		{tar.Header{Name: "run.sh", Mode: 0o755}, "#!/bin/sh\n"},
		file("lib/helper.py", "X = 1\n"),
		file(".mf_code/metaflow/__init__.py", ""),
		file(".mf_code/metaflow_extensions/__init__.py", ""),
		file(".mf_meta/INFO", info),
		file(".mf_install", `{"version": 1, "module_files": []}`),
	}
}
