package codepackage

import (
	"fmt"
	"io"
)

// limits bound what an archive may hold.
type limits struct {
	// archive is its size in bytes, total the size of what is in it.
	archive, total int64
	// entries bounds files and folders, those that are only part of another's
	// path included.
	entries int
	// ratio is what one byte of the archive may become, beyond what is
	// harmless anyhow.
	ratio, harmless int64
}

func defaultLimits() limits {
	return limits{archive: 4 << 30, total: 8 << 30, entries: 200_000, ratio: 200, harmless: 256 << 20}
}

// bytes is what an archive of that size may become.
func (l limits) bytes(archive int64) int64 {
	return min(l.total, max(l.harmless, archive*l.ratio))
}

// budget counts bytes down and ends what goes beyond.
type budget struct{ left, all int64 }

func (b *budget) spend(n int64) error {
	if n > b.left {
		return corrupt("it becomes more than %d bytes", b.all)
	}
	b.left -= n
	return nil
}

// metered reads from r within the budget.
type metered struct {
	r io.Reader
	b *budget
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if over := m.b.spend(int64(n)); over != nil {
		return 0, fmt.Errorf("unpack: %w", over)
	}
	return n, err
}
