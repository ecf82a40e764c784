package transfer

import (
	"context"
	"errors"
	"io"
)

// reader gives the parts out in order.
type reader struct {
	get *get
	// left is what is there and not read of the part that is held.
	held *part
	left []byte
	have int
	err  error
}

func (r *reader) Read(p []byte) (int, error) {
	if !r.more() {
		return 0, r.err
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// WriteTo implements io.WriterTo: a copy is made from the parts themselves.
func (r *reader) WriteTo(w io.Writer) (written int64, err error) {
	for r.more() {
		n, err := w.Write(r.left)
		written += int64(n)
		r.left = r.left[n:]
		if err != nil {
			return written, err
		}
	}
	if errors.Is(r.err, io.EOF) {
		return written, nil
	}
	return written, r.err
}

// more says whether something is left to read, and waits for it.
func (r *reader) more() bool {
	if r.get.ctx.Err() != nil && r.err == nil {
		// What has come already does not hide that it is over.
		r.err = context.Cause(r.get.ctx)
	}
	for len(r.left) == 0 && r.err == nil {
		r.advance()
	}
	return r.err == nil
}

// advance waits for more of the part that is held, or takes the next one.
func (r *reader) advance() {
	if r.held == nil {
		p, ok := r.wait()
		if !ok {
			r.err = io.EOF
			return
		}
		r.held, r.have = p, 0
	}
	filled, more := <-r.held.filled
	if more {
		r.left, r.have = r.held.data[r.have:filled], filled
		return
	}
	r.err = r.held.err
	r.get.giveBack(r.held)
	r.held = nil
}

// wait returns the next part in the queue, which it asks for when there is
// none.
func (r *reader) wait() (*part, bool) {
	select {
	case p, ok := <-r.get.queue:
		return p, ok
	default:
	}
	select {
	case p, ok := <-r.get.queue:
		return p, ok
	case r.get.demand <- struct{}{}:
		p, ok := <-r.get.queue
		return p, ok
	}
}
