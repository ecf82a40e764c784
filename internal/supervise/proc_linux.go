package supervise

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// process is one life of a pid.
type process struct {
	pid int
	// start is in clock ticks since boot.
	start string
}

// status is what /proc says of a process.
type status struct {
	process
	parent, threads int
	state           byte
}

// alive also holds for a process whose first thread alone has ended, which
// /proc shows as a zombie.
func (s status) alive() bool { return s.threads > 1 || s.state != 'Z' && s.state != 'X' }

// processes lists all that can be seen. A process that ends meanwhile is left
// out.
func processes() []status {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var found []status
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		raw, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue
		}
		if s, err := parseStat(pid, raw); err == nil {
			found = append(found, s)
		}
	}
	return found
}

// children lists the living processes whose parent is pid.
func children(pid int) map[process]bool {
	found := map[process]bool{}
	for _, p := range processes() {
		if p.parent == pid && p.alive() {
			found[p.process] = true
		}
	}
	return found
}

func parseStat(pid int, raw []byte) (status, error) {
	// The name in parentheses may hold anything, also parentheses.
	end := bytes.LastIndexByte(raw, ')')
	if end < 0 {
		return status{}, fmt.Errorf("/proc/%d/stat: %q", pid, raw)
	}
	fields := strings.Fields(string(raw[end+1:]))
	if len(fields) < 20 {
		return status{}, fmt.Errorf("/proc/%d/stat: %q", pid, raw)
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return status{}, fmt.Errorf("/proc/%d/stat: parent: %w", pid, err)
	}
	threads, err := strconv.Atoi(fields[17])
	if err != nil {
		return status{}, fmt.Errorf("/proc/%d/stat: threads: %w", pid, err)
	}
	return status{process: process{pid, fields[19]}, parent: parent, threads: threads, state: fields[0][0]}, nil
}

// commandLine names the process for people.
func (s status) commandLine() string {
	const longest = 200
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(s.pid) + "/cmdline")
	line := strings.ToValidUTF8(strings.TrimSpace(string(bytes.ReplaceAll(raw, []byte{0}, []byte{' '}))), "?")
	switch {
	case err != nil || line == "":
		return fmt.Sprintf("pid %d", s.pid)
	case len(line) > longest:
		return strings.ToValidUTF8(line[:longest], "") + "..."
	}
	return line
}
