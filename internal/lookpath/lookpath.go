// Package lookpath finds the program of a child that has an environment and a
// folder of its own.
package lookpath

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Find finds a program as execvp would in the child: on the PATH of its own
// environment, from its own folder. The error wraps exec.ErrNotFound. A name
// with a slash is not looked for.
func Find(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, nil
	}
	path := ""
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value
		}
	}
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		candidate := filepath.Join(folder, name)
		if info, err := os.Stat(candidate); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("find %q on its PATH %q: %w", name, path, exec.ErrNotFound)
}
