package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// measured is what one task cost.
type measured struct {
	// toUser, inUser and after are the wall seconds from the process's start
	// to the user's code, in it, and from its end to that of the process.
	toUser, inUser, after float64
	wall                  float64 // seconds, from start to end
	cpu                   float64 // seconds, of all its processes
	peak                  float64 // MiB, of all its processes together
	requests              float64
}

// run runs one command and measures it.
func (b *bench) run(ctx context.Context, argv, env []string) (measured, error) {
	marks := filepath.Join(b.folder, "marks")
	_ = os.Remove(marks)
	if b.group != nil {
		argv = b.group.inside(argv)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	work, err := os.MkdirTemp(cmp.Or(b.options.tasks, b.folder), "work-")
	if err != nil {
		return measured{}, err
	}
	defer os.RemoveAll(work)
	cmd.Dir = work
	cmd.Env = append(append(b.environment(work), "MARKS="+marks), env...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	before, err := b.server.Requests()
	if err != nil {
		return measured{}, err
	}
	if err := cmd.Start(); err != nil {
		return measured{}, err
	}
	started, peak := time.Now(), watch(cmd.Process.Pid)
	err = cmd.Wait()
	wall := time.Since(started).Seconds()
	ended := float64(time.Now().UnixMicro()) / 1e6
	m := measured{wall: wall, peak: peak()}
	if err == nil {
		var after int
		after, err = b.server.Requests()
		m.requests = float64(after - before)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, said.String())
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	m.cpu = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	var times struct{ Started, User, Left float64 }
	if text, err := os.ReadFile(marks); err == nil {
		if err := json.Unmarshal(text, &times); err != nil {
			return m, err
		}
		m.toUser, m.inUser, m.after = times.User-times.Started, times.Left-times.User, ended-times.Left
	}
	return m, nil
}

// watch samples the memory of a process and all its descendants until the
// returned function asks for the most that was seen.
func watch(pid int) func() float64 {
	var most float64
	var group sync.WaitGroup
	end := make(chan struct{})
	group.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				most = max(most, proportional(pid))
			}
		}
	})
	return func() float64 { close(end); group.Wait(); return most }
}

// proportional is the memory of a process tree in MiB, shared pages counted
// once.
func proportional(pid int) float64 {
	total := 0.0
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if text, err := os.ReadFile(filepath.Join(proc, "smaps_rollup")); err == nil {
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kib, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
				total += kib / 1024
			}
		}
	}
	threads, _ := filepath.Glob(filepath.Join(proc, "task", "*", "children"))
	for _, file := range threads {
		text, _ := os.ReadFile(file)
		for child := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(child); err == nil {
				total += proportional(n)
			}
		}
	}
	return total
}
