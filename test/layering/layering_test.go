// Package layering holds the rules that no single package can check: who may
// import whom, what the launcher may link, how long a file may be.
package layering

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/millrace/millrace/"

// packages maps each package of ours, without the module's path, to what its
// non-test files import.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out := goCommand(t, "list", "-json=ImportPath,Imports", module+"...")
	found := map[string][]string{}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
}

func goCommand(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// below says whether the package is the folder or lies in it.
func below(pkg, folder string) bool {
	return pkg == folder || strings.HasPrefix(pkg, folder+"/")
}

func anyBelow(pkg string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return below(pkg, f) })
}

// mayImport lists, for folders whose imports are bounded, what of ours they
// may import; a folder may always import what lies in it.
var mayImport = map[string][]string{
	"internal/schedule": {"internal/flowdef"},
	"internal/flowdef":  {},
	"internal/gen":      {},

	"internal/failpoint":       {},
	"internal/setting":         {},
	"internal/protocol":        {},
	"internal/buildinfo":       {},
	"internal/lookpath":        {},
	"internal/objstore":        {},
	"internal/kfp":             {},
	"internal/metadataservice": {},

	// The driver, from the inside out: the core, its shell, the wire.
	"internal/runstore": {"internal/schedule", "internal/flowdef"},
	"internal/dispatch": {"internal/schedule", "internal/flowdef", "internal/runstore", "internal/failpoint"},
	"internal/rpc": {
		"internal/dispatch", "internal/runstore", "internal/schedule", "internal/flowdef",
		"internal/gen", "internal/protocol", "internal/failpoint", "internal/buildinfo",
	},
	"internal/driver/serve": {
		"internal/dispatch", "internal/runstore", "internal/rpc", "internal/schedule", "internal/flowdef", "internal/objstore/open",
		"internal/protocol", "internal/failpoint", "internal/buildinfo", "internal/driver/launchers", "internal/setting",
	},
	"internal/driver/launchers": {"internal/buildinfo"},
	"internal/compile":          {"internal/flowdef", "internal/executorinput", "internal/buildinfo"},
	// The laptop stack sees of the driver what a cluster would: its server,
	// and the client by which a pod's end is told.
	"internal/dev": {
		"internal/driver/serve", "internal/driver/launchers", "internal/driverclient",
		"internal/metadataservice", "internal/failpoint", "internal/buildinfo", "internal/lookpath",
	},

	// The launcher's stages know the store and nothing of each other.
	"internal/codepackage":   append(stageMayImport, "python"),
	"internal/workspace":     stageMayImport,
	"internal/artifact":      stageMayImport,
	"internal/tasksocket":    stageMayImport,
	"internal/supervise":     append(stageMayImport, "internal/lookpath"),
	"internal/logcapture":    stageMayImport,
	"internal/metadata":      stageMayImport,
	"internal/lease":         stageMayImport,
	"internal/executorinput": stageMayImport,
	"internal/driverclient":  {"internal/gen", "internal/protocol", "internal/buildinfo", "internal/failpoint"},

	"cmd/launcher": {"internal/launcher"},
	"cmd/driver":   {"internal/driver"},
}

var stageMayImport = []string{"internal/objstore", "internal/flowdef", "internal/failpoint"}

// mayBeImportedBy lists the only importers of some folders.
var mayBeImportedBy = map[string][]string{
	"internal/gen":      {"internal/rpc", "internal/driverclient"},
	"internal/launcher": {"cmd/launcher"},
	"internal/driver":   {"cmd/driver", "internal/dev"},
	"internal/dispatch": {"internal/rpc", "internal/driver/serve"},
	"internal/rpc":      {"internal/driver/serve"},
	"internal/dev":      {"internal/driver"},
	"python":            {"internal/codepackage"},

	"internal/runstore/sqlite":   {"internal/driver/serve"},
	"internal/metadataservice":   {"internal/driver", "internal/dev"},
	"internal/objstore/file":     {"internal/objstore/open"},
	"internal/objstore/s3":       {"internal/objstore/open"},
	"internal/objstore/gcs":      {"internal/objstore/open"},
	"internal/objstore/azure":    {"internal/objstore/open"},
	"internal/objstore/trouble":  {"internal/objstore/s3", "internal/objstore/gcs", "internal/objstore/azure"},
	"internal/objstore/retry":    {"internal/objstore/open"},
	"internal/objstore/limit":    {"internal/objstore/open"},
	"internal/objstore/transfer": {"internal/objstore/open"},
	"internal/objstore/mem":      {}, // for tests
	"internal/objstore/open":     {"internal/launcher", "internal/driver", "bench"},
	"internal/schedule":          {"internal/dispatch", "internal/rpc", "internal/runstore", "internal/driver"},
	"internal/driver/launchers":  {"internal/driver", "internal/dev"},
}

func TestLayers(t *testing.T) {
	for pkg, imports := range packages(t) {
		for _, path := range imports {
			imported, ours := strings.CutPrefix(path, module)
			if !ours {
				continue
			}
			for folder, allowed := range mayImport {
				if below(pkg, folder) && !below(imported, folder) && !anyBelow(imported, allowed) {
					t.Errorf("%s imports %s; %s may import %s only", pkg, imported, folder, strings.Join(allowed, ", "))
				}
			}
			for folder, importers := range mayBeImportedBy {
				if below(imported, folder) && !below(pkg, folder) && !anyBelow(pkg, importers) {
					t.Errorf("%s imports %s, which only %s may", pkg, imported, strings.Join(importers, ", "))
				}
			}
		}
	}
}

// TestSuitesStayInTests: what is made for tests is linked by tests alone.
func TestSuitesStayInTests(t *testing.T) {
	for pkg, imports := range packages(t) {
		for _, path := range imports {
			imported, ours := strings.CutPrefix(path, module)
			if ours && strings.HasSuffix(imported, "test") && !below(pkg, imported) {
				t.Errorf("%s imports %s outside of its tests", pkg, imported)
			}
		}
	}
}

// TestCoreIsPure: the scheduler does no I/O and starts no goroutine.
func TestCoreIsPure(t *testing.T) {
	for pkg, imports := range packages(t) {
		if !below(pkg, "internal/schedule") || below(pkg, "internal/schedule/scheduletest") {
			continue
		}
		for _, path := range imports {
			if slices.Contains([]string{"context", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os", "sync"}, path) {
				t.Errorf("%s imports %s", pkg, path)
			}
		}
	}
}

// TestCloudSDKs: package open is the door to the adapters, and they are the
// only importers of cloud SDKs.
func TestCloudSDKs(t *testing.T) {
	for pkg, imports := range packages(t) {
		if below(pkg, "internal/objstore") {
			continue
		}
		for _, path := range imports {
			for _, sdk := range []string{"github.com/aws/", "cloud.google.com/", "github.com/Azure/"} {
				if strings.HasPrefix(path, sdk) {
					t.Errorf("%s imports %s", pkg, path)
				}
			}
		}
	}
}
