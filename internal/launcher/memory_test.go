package launcher

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// group is a control group's folder.
type group struct {
	t      *testing.T
	folder string
}

func newGroup(t *testing.T, used, limit string) group {
	g := group{t, t.TempDir()}
	g.set("memory.current", used)
	g.set("memory.max", limit)
	g.kills(2)
	return g
}

func (g group) set(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.folder, name), []byte(text+"\n"), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g group) kills(n int) {
	g.set("memory.events", "low 0\nhigh 0\nmax 31\noom 3\noom_kill "+strconv.Itoa(n)+"\noom_group_kill 0")
}

func TestKilledForMemory(t *testing.T) {
	const advice = "; ask for more with @resources(memory=...)"
	for name, tt := range map[string]struct {
		used, limit string
		kills       int // of 2 before
		want        string
	}{
		"the kernel says so":        {"8332894208", "8589934592", 3, "killed for its memory: 97 % of 8.0 GiB in use 0.4 s before" + advice},
		"small":                     {"250000000", "268435456", 3, "killed for its memory: 93 % of 256 MiB in use 0.4 s before" + advice},
		"filled between samples":    {"1048576", "8589934592", 4, "killed for its memory: 0 % of 8.0 GiB in use 0.4 s before" + advice},
		"no limit of its own":       {"8332894208", "max", 3, "killed for its memory" + advice},
		"nearly full":               {"8332894208", "8589934592", 2, "killed, probably for its memory: 97 % of 8.0 GiB in use 0.4 s before" + advice},
		"by somebody":               {"1048576", "8589934592", 2, ""},
		"by somebody, no limit":     {"8332894208", "max", 2, ""},
		"by somebody, unknown":      {"", "", 2, ""},
		"numbers that are none":     {"many", "-", 2, ""},
		"the count began once more": {"1048576", "8589934592", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t, tt.used, tt.limit)
			m := newMemory(g.folder)
			before := m.kills()
			now := m.sample()
			g.kills(tt.kills)
			if got := m.killed(before, now.at.Add(400*time.Millisecond)); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// TestMemoryOfTheMoment: what was in use just before counts, not what is left
// after the kernel's work, nor what was long ago.
func TestMemoryOfTheMoment(t *testing.T) {
	g := newGroup(t, "97", "100")
	m := newMemory(g.folder)
	synctest.Test(t, func(t *testing.T) {
		m.sample()
		time.Sleep(time.Second)
		g.set("memory.current", "5")
		if now := m.sample(); now.used != 5 {
			t.Errorf("now %+v", now)
		}
		if m.killed(2, time.Now()) == "" {
			t.Error("what was in use a second ago is forgotten")
		}
		time.Sleep(2 * recent)
		m.sample()
		if why := m.killed(2, time.Now()); why != "" {
			t.Errorf("long after: %s", why)
		}
	})
}

// TestFilesThatWereRead: what the kernel can take back is not in use.
func TestFilesThatWereRead(t *testing.T) {
	g := newGroup(t, "99", "100")
	g.set("memory.stat", "anon 30\ninactive_anon 30\ninactive_file 60\nactive_file 9")
	m := newMemory(g.folder)
	if now := m.sample(); now.used != 39 || m.killed(2, now.at) != "" {
		t.Errorf("%+v", now)
	}
	g.set("memory.stat", "inactive_file 200")
	if now := m.sample(); now.used != 0 {
		t.Errorf("%+v", now)
	}
}

// TestWatch: while a task runs its memory is looked at, beginning afresh.
func TestWatch(t *testing.T) {
	g := newGroup(t, "97", "100")
	m := newMemory(g.folder)
	m.sample()
	g.set("memory.current", "5")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		told := 0
		go m.watch(ctx, func() { told++ })
		synctest.Wait()
		if why := m.killed(2, time.Now()); why != "" {
			t.Errorf("the task before counts: %s", why)
		}
		g.set("memory.current", "98")
		time.Sleep(lookEvery)
		synctest.Wait()
		if m.killed(2, time.Now()) == "" {
			t.Error("it was not looked at")
		}
		for _, used := range []string{"98", "99", "50", "99"} {
			g.set("memory.current", used)
			time.Sleep(lookEvery)
			synctest.Wait() // or it may be looked at after the next is set
		}
		if told != 2 { // of the first 98 and the last 99
			t.Errorf("the driver is told %d times", told)
		}
		cancel()
		synctest.Wait()
	})
}

// TestNoGroup: where there is none nothing is known, and nothing fails.
func TestNoGroup(t *testing.T) {
	for _, m := range []*memory{nil, newMemory(filepath.Join(t.TempDir(), "none"))} {
		m.watch(t.Context(), nil) // returns at once
		if now := m.sample(); now.used != 0 || now.limit != 0 || m.kills() != 0 || m.killed(0, time.Now()) != "" {
			t.Errorf("%+v", now)
		}
	}
	if ownGroup("/nowhere") != "/nowhere" {
		t.Error("a group that is not there was found")
	}
}
