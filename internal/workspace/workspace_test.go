package workspace

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var packed = time.Unix(1575360000, 0)

// codePackage makes an extracted package.
func codePackage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]fs.FileMode{
		"flow.py": 0o644, "run.sh": 0o755, ".mf_code/metaflow/__init__.py": 0o444, "data/big": 0o600,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat(name, 100)), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, packed, packed); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".metaflow"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".mf_code/metaflow", ".mf_code", "data", ".metaflow"} {
		path := filepath.Join(dir, name)
		if err := os.Chtimes(path, packed, packed); err != nil {
			t.Fatal(err)
		}
		if name == "data" {
			if err := os.Chmod(path, 0o555); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
		}
	}
	return dir
}

func TestCopyIsExact(t *testing.T) {
	from, root := codePackage(t), filepath.Join(t.TempDir(), "made", "root")
	w, err := New(root, from)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	err = filepath.WalkDir(from, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		count++
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		want, err := os.Stat(path)
		if err != nil {
			return err
		}
		got, err := os.Stat(filepath.Join(w.Dir, relative))
		if err != nil {
			return err
		}
		if got.Mode() != want.Mode() || !got.ModTime().Equal(want.ModTime()) {
			t.Errorf("%s: %v %v, want %v %v", relative, got.Mode(), got.ModTime(), want.Mode(), want.ModTime())
		}
		if want.IsDir() {
			return nil
		}
		a, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(w.Dir, relative))
		if string(a) != string(b) {
			t.Errorf("%s differs", relative)
		}
		return err
	})
	if err != nil || count != 8 {
		t.Fatalf("%d entries, %v", count, err)
	}
	for _, dir := range []string{w.Dir, w.TempDir, w.SpoolDir} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if filepath.Base(w.Dir) != "metaflow" {
		t.Errorf("Dir is %s", w.Dir)
	}
	if err := w.Remove(); err != nil {
		t.Error(err)
	}
	empty(t, root)
}

func TestLeasesAreApart(t *testing.T) {
	from, root := codePackage(t), t.TempDir()
	a, err := New(root, from)
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(root, from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.Dir, "flow.py"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(b.Dir, "flow.py"), filepath.Join(from, "flow.py")} {
		if content, err := os.ReadFile(path); err != nil || string(content) == "changed" {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := a.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(b.Dir); err != nil {
		t.Error(err)
	}
	if err := b.Remove(); err != nil {
		t.Error(err)
	}
	empty(t, root)
}

func TestSocketPath(t *testing.T) {
	from := codePackage(t)
	short, err := os.MkdirTemp("/tmp", "ws")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	for _, test := range []struct {
		name, root string
		inside     bool
	}{
		{"inside", short, true},
		{"elsewhere", filepath.Join(short, strings.Repeat("long", 30)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, err := New(test.root, from)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(w.SocketPath, test.root) != test.inside {
				t.Errorf("socket at %s", w.SocketPath)
			}
			listener, err := net.Listen("unix", w.SocketPath)
			if err != nil {
				t.Fatal(err)
			}
			listener.(*net.UnixListener).SetUnlinkOnClose(false)
			_ = listener.Close()
			if err := w.Remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Dir(w.SocketPath)); !os.IsNotExist(err) {
				t.Errorf("the socket's folder: %v", err)
			}
		})
	}
}

func TestNothingIsLeftOfAFailure(t *testing.T) {
	from, root := codePackage(t), t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(from, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := New(root, from); err == nil || !strings.Contains(err.Error(), "neither a file nor a folder") {
		t.Errorf("got %v", err)
	}
	if _, err := New(root, filepath.Join(from, "absent")); err == nil {
		t.Error("no error without a package")
	}
	empty(t, root)
}

const ordinaryUser = "WORKSPACE_TEST_ORDINARY_USER"

// Nothing is forbidden to root, so the test becomes an ordinary user.
func TestRemoveWhatTheTaskLocked(t *testing.T) {
	if os.Geteuid() == 0 {
		asOrdinaryUser(t)
		return
	}
	root := os.Getenv(ordinaryUser)
	if root == "" {
		root = t.TempDir()
	}
	w, err := New(root, codePackage(t))
	if err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(w.TempDir, "a", "b")
	if err := os.MkdirAll(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.Mkdir(outside, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(inner, "link")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{inner, filepath.Dir(inner), w.Dir} {
		if err := os.Chmod(dir, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Remove(); err != nil {
		t.Error(err)
	}
	empty(t, root)
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("the folder outside: %v, %v", info, err)
	}
}

func asOrdinaryUser(t *testing.T) {
	// The way to t.TempDir is closed to others.
	dir, err := os.MkdirTemp("/tmp", "ws")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "test")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	for _, path := range []string{dir, root} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-test.run=^"+t.Name()+"$")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), ordinaryUser+"="+root, "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left in %s: %v, %v", dir, entries, err)
	}
}
