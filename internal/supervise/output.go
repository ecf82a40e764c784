package supervise

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"
)

// output copies what comes out of the child's pipes. The pipes are ours and
// not os/exec's, whose Wait would wait for the last holder of them.
type output struct {
	logger        *slog.Logger
	read, written []*os.File
	to            []io.Writer
	done          chan struct{}
	copying       int
}

func newOutput(cmd *exec.Cmd, c Command, logger *slog.Logger) (*output, error) {
	o := &output{logger: logger, done: make(chan struct{}, 2)}
	for _, stream := range []struct {
		child *io.Writer
		to    io.Writer
	}{{&cmd.Stdout, c.Stdout}, {&cmd.Stderr, c.Stderr}} {
		if stream.to == nil {
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			o.close()
			return nil, fmt.Errorf("pipe for the task's output: %w", err)
		}
		*stream.child = w
		o.read, o.written, o.to = append(o.read, r), append(o.written, w), append(o.to, stream.to)
	}
	return o, nil
}

// started gives up our copies of the ends that the child writes to and begins
// to copy.
func (o *output) started() {
	for _, w := range o.written {
		_ = w.Close()
	}
	o.written, o.copying = nil, len(o.read)
	for i := range o.read {
		go func() {
			o.copy(o.to[i], o.read[i])
			o.done <- struct{}{}
		}()
	}
}

// copy never stops reading before the end: the child would block on a full
// pipe, or die of a closed one, for a fault that is not its own.
func (o *output) copy(to io.Writer, from *os.File) {
	buffer := make([]byte, 32<<10)
	failed := false
	for {
		n, err := from.Read(buffer)
		if n > 0 && !failed {
			if _, err := to.Write(buffer[:n]); err != nil {
				failed = true
				o.logger.Error("keep the task's output; the rest is dropped", "err", err)
			}
		}
		if err != nil {
			return
		}
	}
}

// drain waits for the end of all output, at most for the duration, and says
// whether it came.
func (o *output) drain(atMost time.Duration) bool {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	for o.copying > 0 {
		select {
		case <-o.done:
			o.copying--
		case <-timer.C:
			return false
		}
	}
	return true
}

// close ends the copying and waits for that, so that no writer is used after
// Run.
func (o *output) close() {
	for _, f := range append(o.read, o.written...) {
		_ = f.Close()
	}
	for ; o.copying > 0; o.copying-- {
		<-o.done
	}
}
