package layering

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The launcher is fetched by every pod and started for every worker, so its
// size and its packages have a budget.
const launcherBudget = 26 << 20

func TestLauncherLinks(t *testing.T) {
	forbidden := []string{
		"html/template", "envoyproxy", "cel-go", // each doubles the binary or drags in a schema library
		"modernc.org/sqlite", module + "internal/schedule", module + "internal/driver", module + "internal/dev",
	}
	for dep := range strings.FieldsSeq(string(goCommand(t, "list", "-deps", module+"cmd/launcher"))) {
		for _, f := range forbidden {
			if strings.Contains(dep, f) && !strings.HasPrefix(dep, module+"internal/driverclient") {
				t.Errorf("the launcher links %s", dep)
			}
		}
	}
}

func TestLauncherSize(t *testing.T) {
	if testing.Short() {
		t.Skip("links a program")
	}
	t.Setenv("CGO_ENABLED", "0")
	path := filepath.Join(t.TempDir(), "launcher")
	goCommand(t, "build", "-trimpath", "-ldflags", "-s -w", "-o", path, module+"cmd/launcher")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("launcher: %.1f MB", float64(info.Size())/1e6)
	if info.Size() > launcherBudget {
		t.Errorf("launcher is %d bytes, budget %d: was GOFLAGS set by the Makefile? what is new in go list -deps ./cmd/launcher?", info.Size(), launcherBudget)
	}
}
