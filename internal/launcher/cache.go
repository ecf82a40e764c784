package launcher

// mostCached bounds what is kept of the inputs that a pod's tasks have read.
const mostCached = 2 << 30

// cacheBytes is how much of them the folder may keep: a quarter of a disk's
// free space, and of memory, where the folder lies in it, no more than an
// eighth of what the pod may use.
func cacheBytes(folder string, limit int64) int64 {
	free, inMemory := room(folder)
	if inMemory {
		if limit <= 0 {
			return min(free/8, mostCached)
		}
		return min(limit/8, free/4, mostCached)
	}
	return min(free/4, mostCached)
}
