package pod

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stat is what /proc says of a process.
type stat struct {
	parent int
	state  byte
	start  string
}

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	// The name in parentheses may hold anything, also parentheses.
	end := bytes.LastIndexByte(raw, ')')
	if end < 0 {
		return stat{}, fmt.Errorf("/proc/%d/stat: %q", pid, raw)
	}
	fields := strings.Fields(string(raw[end+1:]))
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat: %q", pid, raw)
	}
	parent, err := strconv.Atoi(fields[1])
	return stat{parent: parent, state: fields[0][0], start: fields[19]}, err
}

// startTime names one life of a pid: the clock ticks since boot at its start,
// with the boot it belongs to.
func startTime(pid int) (string, error) {
	s, err := readStat(pid)
	if err != nil {
		return "", err
	}
	if s.state == 'Z' || s.state == 'X' {
		return "", syscall.ESRCH
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return s.start + "@" + strings.TrimSpace(string(boot)), nil
}

func allPIDs() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killDescendants kills and reaps all below the supervisor, which as a
// subreaper inherits every orphan of the pod. It returns how many there were.
func killDescendants(self int, uid string) int {
	killed := map[int]bool{}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		alive := descendants(self)
		for _, pid := range alive {
			killed[pid] = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		for {
			// The one child that os/exec waits for is already reaped.
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if err != nil || pid <= 0 {
				break
			}
		}
		if len(alive) == 0 {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return len(killed)
}

// descendants lists the living processes below pid.
func descendants(pid int) []int {
	children := map[int][]int{}
	for _, p := range allPIDs() {
		if s, err := readStat(p); err == nil && s.state != 'Z' && s.state != 'X' {
			children[s.parent] = append(children[s.parent], p)
		}
	}
	var all []int
	for queue := children[pid]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// sweep kills what a pod left whose supervisor was itself killed: its
// processes have moved to init but still carry the pod's uid. It returns when
// they are gone.
func sweep(uid string) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		alive := marked(uid)
		for _, pid := range alive {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(alive) == 0 {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// marked lists the processes that carry the pod's uid.
func marked(uid string) []int {
	var out []int
	mark := []byte("KFP_POD_UID=" + uid)
	for _, pid := range allPIDs() {
		// A zombie's environment is empty.
		env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		if err != nil || pid == os.Getpid() {
			continue
		}
		for entry := range bytes.SplitSeq(env, []byte{0}) {
			if bytes.Equal(entry, mark) {
				out = append(out, pid)
				break
			}
		}
	}
	return out
}
