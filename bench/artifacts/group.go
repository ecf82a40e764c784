package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// group is a control group whose memory is limited, of version 2 or 1.
type group struct {
	folder                 string
	limit, peak, kill      string // files
	killed, anonymous, tmp string // what stands before the numbers
}

// newGroup makes a group with a limit; it takes root, or a delegated folder.
func newGroup(limit int64) (*group, error) {
	g := &group{limit: "memory.max", peak: "memory.peak", kill: "memory.events", killed: "oom_kill ", anonymous: "anon ", tmp: "shmem "}
	parent := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(parent, "cgroup.controllers")); err != nil {
		parent = "/sys/fs/cgroup/memory"
		g = &group{
			limit: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes", kill: "memory.oom_control",
			killed: "oom_kill ", anonymous: "total_rss ", tmp: "total_shmem ",
		}
	}
	g.folder = filepath.Join(parent, fmt.Sprintf("millrace-bench-%d", os.Getpid()))
	if err := os.Mkdir(g.folder, 0o755); err != nil {
		return nil, fmt.Errorf("a control group, which takes root: %w", err)
	}
	if err := os.WriteFile(filepath.Join(g.folder, g.limit), []byte(strconv.FormatInt(limit, 10)), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("limit the memory of a control group: %w", err), g.remove())
	}
	return g, nil
}

// inside is the command line that runs another in the group.
func (g *group) inside(argv []string) []string {
	return append([]string{"/bin/sh", "-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(g.folder, "cgroup.procs")}, argv...)
}

// use is what one task used of its group's memory, in bytes.
type use struct {
	peak, hard, kills int64
}

// watch samples what the kernel cannot take back, memory of processes and of
// files in memory, until the returned function is called. The peak the kernel
// tells has the files' cache in it.
func (g *group) watch() func() use {
	var most int64
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			most = max(most, g.number("memory.stat", g.anonymous)+g.number("memory.stat", g.tmp))
			select {
			case <-end:
				return
			case <-ticker.C:
			}
		}
	}()
	return func() use {
		close(end)
		<-ended
		return use{peak: g.number(g.peak, ""), hard: most, kills: g.number(g.kill, g.killed)}
	}
}

func (g *group) number(file, name string) int64 {
	text, _ := os.ReadFile(filepath.Join(g.folder, file))
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}

// remove waits for the last of the killed processes to be gone.
func (g *group) remove() error {
	for range 100 {
		err := os.Remove(g.folder)
		if !errors.Is(err, syscall.EBUSY) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the control group %s still has processes", g.folder)
}
