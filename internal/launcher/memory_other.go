//go:build !linux

package launcher

// memory is unknown where there are no cgroups.
func memory() (used, limit int64) { return 0, 0 }
