package lookpath

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestFind(t *testing.T) {
	root := t.TempDir()
	for path, mode := range map[string]os.FileMode{"one/plain": 0o644, "two/plain": 0o755, "two/tool": 0o755, "here": 0o755, "one/tool/x": 0o755} {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, mode)); err != nil {
			t.Fatal(err)
		}
	}
	both := "PATH=" + root + "/one:" + root + "/two"
	for _, tt := range []struct {
		name, program, want string
		env                 []string
	}{
		{"past a file that is no program", "plain", "two/plain", []string{both}},
		{"past a folder", "tool", "two/tool", []string{both}},
		{"from the child's folder", "tool", "two/tool", []string{"PATH=one:two"}},
		{"an empty entry is the child's folder", "here", "here", []string{"PATH=one::two"}},
		{"the last PATH counts", "plain", "two/plain", []string{"PATH=/nowhere", both}},
		{"a relative name", "./here", "here", []string{both}},
		{"an absolute name", root + "/one/none", "one/none", nil},
		{"not there", "none", "", []string{both}},
		{"no PATH", "tool", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Find(tt.program, tt.env, root)
			if tt.want == "" {
				if !errors.Is(err, exec.ErrNotFound) {
					t.Errorf("found %q, %v", got, err)
				}
				return
			}
			if want := filepath.Join(root, tt.want); err != nil || got != want {
				t.Errorf("found %q, %v, want %q", got, err, want)
			}
		})
	}
}
