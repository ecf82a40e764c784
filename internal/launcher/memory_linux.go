package launcher

import (
	"os"
	"strconv"
	"strings"
)

const cgroup = "/sys/fs/cgroup/"

// memory reads what the pod's cgroup uses and may use; 0 is unknown. It rides
// on the renewals, so that the driver can tell an out-of-memory kill.
func memory() (used, limit int64) {
	return readBytes(cgroup + "memory.current"), readBytes(cgroup + "memory.max")
}

// readBytes reads a number; "max" is none.
func readBytes(path string) int64 {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
