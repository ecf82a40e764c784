package launcher

import "golang.org/x/sys/unix"

// room is the free space of a folder, and whether it is memory.
func room(folder string) (free int64, inMemory bool) {
	var st unix.Statfs_t
	if unix.Statfs(folder, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * st.Bsize, st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC
}
