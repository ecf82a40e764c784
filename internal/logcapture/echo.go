package logcapture

import (
	"bytes"
	"io"
	"slices"
	"sync"
)

// console is the pod's output, which several streams and the launcher share.
type console struct {
	prefix string

	mu     sync.Mutex
	to     io.Writer
	buffer []byte
}

// echo writes each line in one piece. A pod's log that cannot be written is
// no reason to stop the task: the store has the lines.
func (c *console) echo(lines [][]byte) {
	if c.to == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range lines {
		c.buffer = append(append(append(c.buffer[:0], c.prefix...), line...), '\n')
		_, _ = c.to.Write(c.buffer)
	}
}

// longestTail is what rides on a renewal.
const longestTail = 4 << 10

// tail is the newest of both streams. Its mutex is never held over a write,
// so that a pod's log that blocks does not hold up a renewal.
type tail struct {
	mu   sync.Mutex
	last []byte
}

func (t *tail) add(lines [][]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range lines {
		t.last = append(append(t.last, line[max(0, len(line)-longestTail):]...), '\n')
		if len(t.last) > 4*longestTail {
			t.last = append(t.last[:0], t.last[len(t.last)-longestTail:]...)
		}
	}
}

// bytes returns whole lines where there are any.
func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) <= longestTail {
		return slices.Clone(t.last)
	}
	cut := t.last[len(t.last)-longestTail:]
	if _, whole, found := bytes.Cut(cut, []byte{'\n'}); found && len(whole) > 0 {
		cut = whole
	}
	return slices.Clone(cut)
}
