package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/objstore"
)

// errBig ends the first request of an object that needs buffers when there is
// no room for one: it is waited for without a request.
var errBig = errors.New("the object comes in parts")

// errOverwritten ends a get whose parts are of two contents.
var errOverwritten = errors.New("the object was overwritten while it was read")

// restarts is how often an object is begun anew that is overwritten while it
// is read, before it is read by one request.
const restarts = 2

// Get implements objstore.Store. Of an object in parts fn reads each byte
// once, what fails is fetched again behind its back, unless the object is
// overwritten meanwhile: then it begins afresh.
func (s *Store) Get(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	if r.Length >= 0 && r.Length <= s.engine.cfg.PartSize {
		return s.next.Get(ctx, key, r, fn)
	}
	for range 1 + restarts {
		if err := s.inParts(ctx, key, r, fn); !errors.Is(err, errOverwritten) {
			return err
		}
	}
	return s.next.Get(ctx, key, r, fn)
}

func (s *Store) inParts(ctx context.Context, key string, r objstore.Range, fn func(objstore.Info, io.Reader) error) error {
	part := s.engine.cfg.PartSize
	g := &get{store: s, key: key}
	defer g.release()
	err := s.next.Get(ctx, key, objstore.Range{Offset: r.Offset, Length: part}, func(info objstore.Info, body io.Reader) error {
		g.begin(info, r)
		if g.end-g.next <= part {
			return fn(info, body)
		}
		return g.takeFirst(body)
	})
	if g.end-r.Offset <= part || err != nil && !errors.Is(err, errBig) {
		return err
	}
	return g.rest(ctx, fn)
}

// get is one object that comes in parts.
type get struct {
	store *Store
	key   string
	info  objstore.Info
	// next is where the first part begins that is not asked for, end is where
	// the last one ends.
	next, end int64
	first     []byte
}

func (g *get) begin(info objstore.Info, r objstore.Range) {
	g.info, g.next, g.end = info, r.Offset, info.Size
	if r.Length >= 0 {
		g.end = min(g.end, r.Offset+r.Length)
	}
}

// takeFirst reads the part that the first request brings, if there is a buffer.
func (g *get) takeFirst(body io.Reader) error {
	if g.first == nil {
		buffer, ok := g.store.engine.buffers.try(g.store.engine.cfg.PartSize)
		if !ok {
			return errBig
		}
		g.first = buffer
	}
	_, err := io.ReadFull(body, g.first)
	return err
}

func (g *get) release() {
	if g.first != nil {
		g.store.engine.buffers.give(g.first)
		g.first = nil
	}
}

// part is a stretch of the object, or why it did not come.
type part struct {
	data []byte
	err  error
}

// rest lets fn read the parts in their order while the next ones are fetched.
func (g *get) rest(ctx context.Context, fn func(objstore.Info, io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	// A place in the queue is a part asked for and not read yet.
	queue := make(chan chan part, g.store.engine.cfg.AtOnce-1)
	go g.fetchAll(ctx, queue)
	r := &reader{ctx: ctx, queue: queue, buffers: g.store.engine.buffers}
	err := fn(g.info, r)
	if err != nil && r.err != nil && !errors.Is(r.err, io.EOF) {
		// What fn makes of a broken body is not its own error.
		err = r.err
	}
	cancel()
	r.drain()
	return err
}

// fetchAll asks for part after part. A transfer takes its buffers in the order
// in which it gives them back, so that some part of every one can come.
func (g *get) fetchAll(ctx context.Context, queue chan<- chan part) {
	defer close(queue)
	if first := g.first; first != nil {
		g.first = nil // it is the reader's to give back
		g.next += int64(len(first))
		queue <- came(part{data: first})
	}
	for g.next < g.end && ctx.Err() == nil {
		offset, n := g.next, min(g.store.engine.cfg.PartSize, g.end-g.next)
		g.next += n
		buffer, err := g.store.engine.buffers.take(ctx, n)
		if err != nil {
			queue <- came(part{err: err})
			return
		}
		coming := make(chan part, 1)
		go func() { coming <- g.fetch(ctx, offset, buffer) }()
		queue <- coming
	}
}

func came(p part) chan part {
	c := make(chan part, 1)
	c <- p
	return c
}

func (g *get) fetch(ctx context.Context, offset int64, buffer []byte) part {
	err := g.store.next.Get(ctx, g.key, objstore.Range{Offset: offset, Length: int64(len(buffer))}, func(info objstore.Info, body io.Reader) error {
		if info.Size != g.info.Size || info.Tag != g.info.Tag || !info.Modified.Equal(g.info.Modified) {
			return fmt.Errorf("get %s: %w", g.key, errOverwritten)
		}
		_, err := io.ReadFull(body, buffer)
		return err
	})
	return part{buffer, err}
}

// reader gives the parts out in order.
type reader struct {
	ctx     context.Context
	queue   <-chan chan part
	buffers *buffers
	// held is the part that left is the rest of.
	held, left []byte
	err        error
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
	if r.ctx.Err() != nil && r.err == nil {
		// What has come already does not hide that it is over.
		r.err = context.Cause(r.ctx)
	}
	for len(r.left) == 0 && r.err == nil {
		r.advance()
	}
	return r.err == nil
}

func (r *reader) advance() {
	r.giveBack()
	coming, ok := <-r.queue
	if !ok {
		r.err = io.EOF
		return
	}
	p := <-coming
	r.held, r.left, r.err = p.data, p.data, p.err
}

func (r *reader) giveBack() {
	if r.held != nil {
		r.buffers.give(r.held)
		r.held, r.left = nil, nil
	}
}

// drain waits for what is still under way and gives all buffers back.
func (r *reader) drain() {
	r.giveBack()
	for coming := range r.queue {
		if p := <-coming; p.data != nil {
			r.buffers.give(p.data)
		}
	}
}
