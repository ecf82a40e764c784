package transfer

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// buffers hands out memory for parts, up to a ceiling. While any is out the
// rest is kept for the next; when all are back they are let go, since between
// transfers the memory is the task's.
type buffers struct {
	ceiling, usual int64
	room           *semaphore.Weighted

	mu   sync.Mutex
	out  int
	free [][]byte
}

func newBuffers(ceiling, usual int64) *buffers {
	ceiling = max(ceiling, usual)
	return &buffers{ceiling: ceiling, usual: usual, room: semaphore.NewWeighted(ceiling)}
}

// weight is what a buffer counts: one that is larger than all there is waits
// for all the others.
func (b *buffers) weight(size int64) int64 { return min(max(size, b.usual), b.ceiling) }

// take waits for a buffer. Who waits holds no place in the store's limit: else
// those who hold the buffers could wait for it.
func (b *buffers) take(ctx context.Context, size int64) ([]byte, error) {
	if err := b.room.Acquire(ctx, b.weight(size)); err != nil {
		return nil, context.Cause(ctx)
	}
	return b.pick(size), nil
}

// try takes a buffer if there is room at once.
func (b *buffers) try(size int64) ([]byte, bool) {
	if !b.room.TryAcquire(b.weight(size)) {
		return nil, false
	}
	return b.pick(size), true
}

func (b *buffers) pick(size int64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.out++
	if n := len(b.free); n > 0 && size <= b.usual {
		buffer := b.free[n-1]
		b.free = b.free[:n-1]
		return buffer[:size]
	}
	return make([]byte, size, max(size, b.usual))
}

func (b *buffers) give(buffer []byte) {
	size := int64(cap(buffer))
	b.mu.Lock()
	b.out--
	switch {
	case b.out == 0:
		b.free = nil
	case size == b.usual:
		b.free = append(b.free, buffer)
	}
	b.mu.Unlock()
	b.room.Release(b.weight(size))
}
