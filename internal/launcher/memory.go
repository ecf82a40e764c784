package launcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// lookEvery is between two samples while a task runs: memory may fill in
	// less than the time between two renewals.
	lookEvery = 500 * time.Millisecond
	// fullAt, in percent of the limit, is where a task that something killed is
	// taken to have been killed for its memory, when the kernel does not say.
	fullAt = 90
	// From risingAt on each further risingBy percent are told to the driver at
	// once: the kernel may end this process too, and then nobody else can say.
	risingAt, risingBy = 75, 3
	// recent is how long a sample speaks for what happens after it.
	recent = 10 * time.Second
)

// memory watches what the pod's control group (version 2) uses and may use.
// Where there is none, on a laptop without containers, nothing is known.
type memory struct {
	folder string

	mu sync.Mutex
	// high is the highest of the recent samples: once the kernel has killed, the
	// newest is low.
	high usage
}

// usage is one sample; a number that is 0 is unknown. What is used is what the
// kernel cannot take back as it likes: files that were read count for the group
// until it does.
type usage struct {
	used, limit int64
	at          time.Time
}

// newMemory watches the group whose folder is given, or this process's own.
func newMemory(folder string) *memory {
	if folder == "" {
		folder = ownGroup("/sys/fs/cgroup")
	}
	return &memory{folder: folder}
}

// ownGroup is this process's group below the mount. A container most often
// sees its own group at the mount itself.
func ownGroup(mount string) string {
	line, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return mount
	}
	for entry := range strings.Lines(string(line)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(entry), "0::")
		if !ok {
			continue
		}
		folder := filepath.Join(mount, path)
		if _, err := os.Stat(filepath.Join(folder, "memory.current")); err == nil {
			return folder
		}
	}
	return mount
}

// sample looks now.
func (m *memory) sample() usage {
	if m == nil {
		return usage{}
	}
	now := usage{used: readNumber(m.folder, "memory.current"), limit: readNumber(m.folder, "memory.max"), at: time.Now()}
	now.used = max(0, now.used-readLine(m.folder, "memory.stat", "inactive_file"))
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.used >= m.high.used || now.at.Sub(m.high.at) > recent {
		m.high = now
	}
	return now
}

// watch samples until ctx ends, for a task that begins. Rising is called when
// the limit comes near.
func (m *memory) watch(ctx context.Context, rising func()) {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.high = usage{}
	m.mu.Unlock()
	if m.sample().used == 0 {
		return // nothing is known here
	}
	const low = risingAt - risingBy
	told := int64(low)
	for sleep(ctx, lookEvery) == nil {
		now := m.sample()
		if now.limit == 0 {
			continue
		}
		switch percent := now.used * 100 / now.limit; {
		case percent >= told+risingBy:
			told = percent
			rising()
		case percent < risingAt:
			told = low
		}
	}
}

// kills counts the processes of the group that the kernel has killed for their
// memory, ever.
func (m *memory) kills() int64 {
	if m == nil {
		return 0
	}
	return readLine(m.folder, "memory.events", "oom_kill")
}

// killed says why a task whose process something killed was killed for its
// memory; empty when it was not. before is the count of kills at its start.
func (m *memory) killed(before int64, now time.Time) string {
	if m == nil {
		return ""
	}
	m.mu.Lock()
	high := m.high
	m.mu.Unlock()
	known := m.kills() > before
	full := high.limit > 0 && high.used >= high.limit/100*fullAt
	if !known && !full {
		return ""
	}
	why := "killed for its memory"
	if !known {
		why = "killed, probably for its memory"
	}
	if high.limit > 0 && high.used > 0 {
		why += fmt.Sprintf(": %d %% of %s in use %.1f s before", high.used*100/high.limit, inGiB(high.limit), now.Sub(high.at).Seconds())
	}
	return why + "; ask for more with @resources(memory=...)"
}

func inGiB(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

// readLine reads the number behind a name in one of the group's files.
func readLine(folder, file, name string) int64 {
	text, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, name+" "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
			return n
		}
	}
	return 0
}

// readNumber reads a number from one of the group's files; "max" is none.
func readNumber(folder, name string) int64 {
	raw, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
