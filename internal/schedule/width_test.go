package schedule_test

import (
	"runtime"
	"testing"

	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// TestAMillionSplitsCostMegabytes keeps the state compact: no split that
// succeeded at once has a struct of its own.
func TestAMillionSplitsCostMegabytes(t *testing.T) {
	if testing.Short() {
		t.Skip("a few seconds")
	}
	d := scheduletest.Flows()["foreach"]
	d.MaxSplits = 1_000_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	run := runAlone(t, d, 1_000_000, false)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 100<<20 {
		t.Errorf("a million splits hold %d MB", grown>>20)
	} else {
		t.Logf("a million splits hold %d MB", grown>>20)
	}
	runtime.KeepAlive(run)
}
