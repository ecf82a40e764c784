package codepackage

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/retry"
)

const key = "Flow/data/ab/abcd"

func storeWith(t *testing.T, content []byte) *mem.Store {
	t.Helper()
	store := mem.New()
	if err := store.Put(t.Context(), key, objstore.Bytes(content), objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	return store
}

func small() limits {
	return limits{archive: 64 << 20, total: 1 << 20, entries: 100, ratio: 100, harmless: 64 << 10}
}

func leftIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	return left
}

func TestFetch(t *testing.T) {
	archive := tgz(t, append([]member{of(tar.TypeXGlobalHeader, "", ""), of(tar.TypeDir, "./", ""), of(tar.TypeDir, "lib/", "")}, flow(`{"ext_info": [{}, {}]}`)...)...)
	dir := filepath.Join(t.TempDir(), "made")
	for range 2 { // the second replaces the first
		p, err := Fetch(t.Context(), storeWith(t, archive), key, refOf(archive, metadataV1), dir)
		if err != nil {
			t.Fatal(err)
		}
		if p.Dir != filepath.Join(dir, "metaflow") || p.CodeDir != ".mf_code" {
			t.Fatalf("got %+v", p)
		}
		if left := leftIn(t, dir); !slices.Equal(left, []string{"metaflow"}) {
			t.Errorf("in the folder: %v", left)
		}
		for _, name := range []string{"flow.py", "lib/helper.py", ".mf_code/metaflow_extensions/millrace_runtime/plugins/mfextinit_millrace_runtime.py"} {
			if _, err := os.Stat(filepath.Join(p.Dir, name)); err != nil {
				t.Error(err)
			}
		}
		if st, err := os.Stat(filepath.Join(p.Dir, "run.sh")); err != nil || st.Mode().Perm()&0o700 != 0o700 || !st.ModTime().Equal(time.Unix(1575360000, 0)) {
			t.Errorf("run.sh: %v, %v", st, err)
		}
		if left := leftIn(t, filepath.Join(p.Dir, ".metaflow")); left != nil {
			t.Errorf("in .metaflow: %v", left)
		}
		if err := os.WriteFile(filepath.Join(p.Dir, "stale"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOldLayout(t *testing.T) {
	archive := tgz(t, file("flow.py", ""), file("metaflow/__init__.py", ""), file("INFO", `{"ext_info": [{}, {}]}`))
	for _, metadata := range []string{"", `{}`, `{"version": 0}`, `{"mfcontent_version": 0, "archive_format": "tgz"}`} {
		p, err := Fetch(t.Context(), storeWith(t, archive), key, refOf(archive, metadata), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.ReadFile(filepath.Join(p.Dir, "INFO"))
		if err != nil || !strings.Contains(string(info), "millrace_runtime") || p.CodeDir != "." {
			t.Errorf("%q: %s, %v, code in %s", metadata, info, err, p.CodeDir)
		}
		if _, err := os.Stat(filepath.Join(p.Dir, "metaflow_extensions/millrace_runtime/config")); err != nil {
			t.Error(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	many := func(n int) (all []member) {
		for i := range n {
			all = append(all, file(fmt.Sprintf("f%d", i), ""))
		}
		return all
	}
	for _, test := range []struct {
		name, reason string
		members      []member
	}{
		{"symlink", "it is a link", []member{of(tar.TypeSymlink, "a", "/etc/passwd")}},
		{"hard link", "it is a link", []member{file("a", ""), of(tar.TypeLink, "b", "a")}},
		{"link, then a file below it", "it is a link", []member{of(tar.TypeSymlink, "a", "/tmp"), file("a/b", "")}},
		{"character device", "of type '3'", []member{of(tar.TypeChar, "a", "")}},
		{"block device", "of type '4'", []member{of(tar.TypeBlock, "a", "")}},
		{"pipe", "of type '6'", []member{of(tar.TypeFifo, "a", "")}},
		{"set-user-id", "set-user-id", []member{{tar.Header{Name: "a", Mode: 0o4755}, "x"}}},
		{"set-group-id", "set-group-id", []member{{tar.Header{Name: "a", Mode: 0o2755}, "x"}}},
		{"absolute", "is absolute", []member{file("/etc/evil", "")}},
		{"upwards", "leads out", []member{file("../evil", "")}},
		{"upwards later", "leads out", []member{file("a/b/../../../evil", "")}},
		{"upwards inside", "leads out", []member{file("a/../b", "")}},
		{"folder upwards", "leads out", []member{of(tar.TypeDir, "../evil/", "")}},
		{"twice", "there twice", []member{file("a", "1"), file("./a", "2")}},
		{"twice but for case", "differ in case only", []member{file("Flow.py", ""), file("flow.PY", "")}},
		{"folders but for case", "differ in case only", []member{file("Lib/a", ""), file("lib/b", "")}},
		{"Kelvin and k", "differ in case only", []member{file("\u212a", ""), file("k", "")}},
		{"file, then folder", "a file and a folder", []member{file("a", ""), file("a/b", "")}},
		{"folder, then file", "a file and a folder", []member{file("a/b", ""), file("a", "")}},
		{"file, then empty folder", "a file and a folder", []member{file("a", ""), of(tar.TypeDir, "a/", "")}},
		{"the folder itself as a file", "of that name", []member{file(".", "x")}},
		{"control character", "control character", []member{file("a\nb", "")}},
		{"not UTF-8", "not UTF-8", []member{file("a\xffb", "")}},
		{"long element", "has 300 bytes", []member{file(strings.Repeat("x", 300), "")}},
		{"long name", "has 3000 bytes", []member{file(strings.Repeat("x/", 1499)+"xx", "")}},
		{"too many", "more than 100", many(101)},
		{"too many folders", "more than 100", []member{file(strings.Repeat("x/", 101)+"f", "")}},
		{"too big", "more than", []member{file("a", strings.Repeat("abcdefgh", 1<<18))}},
		{"bomb", "more than 65536 bytes", []member{file("a", strings.Repeat("\x00", 100_000))}},
		{"code is a file", "is not a folder", []member{file(".mf_code", "")}},
		{"extensions are a file", "is not a folder", []member{file(".mf_code/metaflow_extensions", "")}},
		{".metaflow is a file", "is not a folder", []member{file(".metaflow", "")}},
		{"INFO's folder is a file", ".mf_meta", []member{file(".mf_meta", "")}},
		{"INFO is a folder", "is not a file", []member{file(".mf_meta/INFO/x", "")}},
		{"INFO is no object", "not a JSON object", []member{file(".mf_meta/INFO", "[]")}},
		{"INFO is cut off", "not a JSON object", []member{file(".mf_meta/INFO", `{"a": `)}},
		{"INFO with other extensions", "not package, folder, module", []member{file(".mf_meta/INFO", `{"ext_info": [{}, {"plugins": [["a"]]}]}`)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			archive := tgz(t, test.members...)
			parent := t.TempDir()
			dir := filepath.Join(parent, "pod")
			_, err := fetch(t.Context(), storeWith(t, archive), key, refOf(archive, metadataV1), dir, small())
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("got %v, want a refusal with %q", err, test.reason)
			}
			if left := leftIn(t, dir); left != nil {
				t.Errorf("left: %v", left)
			}
			if left := leftIn(t, parent); !slices.Equal(left, []string{"pod"}) {
				t.Errorf("outside: %v", left)
			}
		})
	}
}

func TestNotWhatWasDeployed(t *testing.T) {
	archive := tgz(t, flow(`{}`)...)
	sound := refOf(archive, metadataV1)
	changed := func(change func(*flowdef.CodePackage)) flowdef.CodePackage {
		ref := sound
		change(&ref)
		return ref
	}
	big := make([]byte, 16<<20+10)
	for _, test := range []struct {
		name, reason string
		stored       []byte
		ref          flowdef.CodePackage
	}{
		{"another", "its SHA-256 is", slices.Concat(archive[:len(archive)-1], []byte{^archive[len(archive)-1]}), sound},
		{"another of the same SHA-256", "its SHA-1 is", archive, changed(func(r *flowdef.CodePackage) { r.SHA1 = strings.Repeat("0", 40) })},
		{"truncated", "bytes that were deployed; deploy", archive[:len(archive)/2], sound},
		{"empty", "has 0 of the", nil, sound},
		{"longer", "more than the", slices.Concat(archive, []byte("x")), sound},
		{"big and truncated", "has 16777216 of the 16777226", big[:16<<20], refOf(big, metadataV1)},
		{"not a tgz", "not a sound tgz", []byte("hello"), refOf([]byte("hello"), metadataV1)},
		{"deployed truncated", "not a sound tgz", archive[:len(archive)-40], refOf(archive[:len(archive)-40], metadataV1)},
		{"another format", `is "zip"`, archive, refOf(archive, `{"archive_format": "zip"}`)},
		{"a layout of the future", "too old", archive, refOf(archive, `{"mfcontent_version": 2}`)},
		{"unreadable metadata", "cannot be read", archive, refOf(archive, `{`)},
		{"announced too big", "more than the 67108864 allowed", archive, changed(func(r *flowdef.CodePackage) { r.Size = 1 << 40 })},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := fetch(t.Context(), storeWith(t, test.stored), key, test.ref, dir, small())
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), test.reason) || !strings.Contains(err.Error(), sound.URL) {
				t.Errorf("got %v, want a refusal with %q", err, test.reason)
			}
			if left := leftIn(t, dir); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// An archive whose body breaks off comes again, and what had come of it is
// gone; that it broke off is never taken for a broken archive.
func TestBodyBreaksOff(t *testing.T) {
	archive := tgz(t, flow(`{}`)...)
	for name, r := range map[string]struct {
		budget time.Duration
		sound  bool
	}{"once": {time.Minute, true}, "for good": {time.Millisecond, false}} {
		t.Run(name, func(t *testing.T) {
			flaky := &objstoretest.Flaky{Store: storeWith(t, archive), After: objstoretest.Times(1, objstoretest.Transient("broke off"))}
			store := retry.New(retry.Config{First: 5 * time.Millisecond, Budget: r.budget}).Wrap(flaky)
			dir := t.TempDir()
			_, err := Fetch(t.Context(), store, key, refOf(archive, metadataV1), dir)
			if r.sound != (err == nil) || errors.Is(err, ErrCorrupt) || err != nil && !strings.Contains(err.Error(), "broke off") {
				t.Errorf("got %v", err)
			}
			if left := leftIn(t, dir); r.sound != slices.Equal(left, []string{"metaflow"}) || !r.sound && left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestStoreErrorsStay(t *testing.T) {
	archive := tgz(t, flow(`{}`)...)
	dir := t.TempDir()
	_, err := Fetch(t.Context(), mem.New(), key, refOf(archive, metadataV1), dir)
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt) {
		t.Errorf("missing: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	lost := errors.New("the lease is lost")
	cancel(lost)
	if _, err := Fetch(ctx, storeWith(t, archive), key, refOf(archive, metadataV1), dir); !errors.Is(err, lost) || errors.Is(err, ErrCorrupt) {
		t.Errorf("cancelled: %v", err)
	}
	if left := leftIn(t, dir); left != nil {
		t.Errorf("left: %v", left)
	}
}

// A sparse file is short in the archive and long on disk.
func TestSparse(t *testing.T) {
	archive, err := os.ReadFile("testdata/sparse.tgz")
	if err != nil {
		t.Fatal(err)
	}
	_, err = fetch(t.Context(), storeWith(t, archive), key, refOf(archive, metadataV1), t.TempDir(), small())
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "becomes more than") {
		t.Errorf("got %v", err)
	}
}

func TestInfo(t *testing.T) {
	const ours = `{"files":["millrace_runtime/config/mfextinit_millrace_runtime.py","millrace_runtime/plugins/mfextinit_millrace_runtime.py","millrace_runtime/plugins/wire.py"],"root_paths":null,"meta_module":null,"full_path_files":null,"version":"_local_","package_version":"<unk>","extension_name":"<unk>"}`
	files := []string{"millrace_runtime/config/mfextinit_millrace_runtime.py", "millrace_runtime/plugins/mfextinit_millrace_runtime.py", "millrace_runtime/plugins/wire.py"}
	const module = `metaflow_extensions.millrace_runtime.`
	for _, test := range []struct{ name, info, want string }{
		{
			"no other extension", `{"script": "flow.py", "n": 12345678901234567890, "ext_info": [{}, {}]}`,
			`{"script": "flow.py", "n": 12345678901234567890, "ext_info": [{"millrace-runtime": ` + ours + `}, {
			"config": [["millrace-runtime", "millrace_runtime", "` + module + `config.mfextinit_millrace_runtime"]],
			"plugins": [["millrace-runtime", "millrace_runtime", "` + module + `plugins.mfextinit_millrace_runtime"]]}]}`,
		},
		{
			"behind others", `{"ext_info": [{"_pythonpath_0": {"files": []}}, {"alias": [], "plugins": [["_pythonpath_0", "org", "m"]]}]}`,
			`{"ext_info": [{"_pythonpath_0": {"files": []}, "millrace-runtime": ` + ours + `}, {"alias": [],
			"config": [["millrace-runtime", "millrace_runtime", "` + module + `config.mfextinit_millrace_runtime"]],
			"plugins": [["_pythonpath_0", "org", "m"], ["millrace-runtime", "millrace_runtime", "` + module + `plugins.mfextinit_millrace_runtime"]]}]}`,
		},
		{
			"in place of a packed one", `{"ext_info": [{"metaflow-x": {}}, {"plugins": [["metaflow-x", "millrace_runtime", "old"], ["metaflow-x", "org", "m"]]}]}`,
			`{"ext_info": [{"metaflow-x": {}, "millrace-runtime": ` + ours + `}, {
			"config": [["millrace-runtime", "millrace_runtime", "` + module + `config.mfextinit_millrace_runtime"]],
			"plugins": [["metaflow-x", "org", "m"], ["millrace-runtime", "millrace_runtime", "` + module + `plugins.mfextinit_millrace_runtime"]]}]}`,
		},
		{
			"beside one of its name", `{"ext_info": [{"millrace-runtime": {}}, {}]}`,
			`{"ext_info": [{"millrace-runtime": {}, "millrace-runtime-1": ` + ours + `}, {
			"config": [["millrace-runtime-1", "millrace_runtime", "` + module + `config.mfextinit_millrace_runtime"]],
			"plugins": [["millrace-runtime-1", "millrace_runtime", "` + module + `plugins.mfextinit_millrace_runtime"]]}]}`,
		},
		{"left to Metaflow", `{"a": 1}`, `{"a": 1}`},
		{"null", `{"ext_info": [null, null]}`, `{"ext_info": [null, null]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := addExtension([]byte(test.info), files)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := canonical(t, got), canonical(t, []byte(test.want)); a != b {
				t.Errorf("got  %s\nwant %s", a, b)
			}
		})
	}
}

func canonical(t *testing.T, raw []byte) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
