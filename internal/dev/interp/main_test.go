package interp

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/dev/pod"
)

// TestMain makes the test binary a pod's supervisor when it is started as
// one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "pod-supervise" {
		os.Exit(pod.Supervise(os.Stdin))
	}
	goleak.VerifyTestMain(m)
}
