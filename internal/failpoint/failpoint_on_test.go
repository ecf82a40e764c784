//go:build failpoints

package failpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("MILLRACE_FAILPOINT_LOG", log)
	t.Setenv("MILLRACE_FAILPOINTS", "launcher/joined=error@2*2,launcher/leased=error^4,driver/reply-join=stall:1ns?100")
	// Another process has been there once.
	if err := os.WriteFile(log, []byte("launcher/leased - 1\nlauncher/leased-not - 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	failed := map[Name]string{}
	for range 5 {
		for _, name := range []Name{LauncherJoined, LauncherLeased, DriverReplyJoin} {
			mark := "."
			if Hit(name) != nil {
				mark = "x"
			}
			failed[name] += mark
		}
	}
	if failed[LauncherJoined] != ".xx.." || failed[LauncherLeased] != "..x.." || failed[DriverReplyJoin] != "....." {
		t.Errorf("failed: %v", failed)
	}
	written, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(written), "driver/reply-join stall:1ns "); n != 5 {
		t.Errorf("%d stalls in\n%s", n, written)
	}
}
