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
	own       []byte
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

// part is a stretch of the object, or why it did not come. own is the get's
// own memory, not the engine's.
type part struct {
	data []byte
	own  bool
	err  error
}

// rest lets fn read the parts in their order while the next ones are fetched.
func (g *get) rest(ctx context.Context, fn func(objstore.Info, io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	// A place in the queue is a part asked for and not read yet.
	queue, demand := make(chan chan part, g.store.engine.cfg.AtOnce-1), make(chan struct{})
	go g.fetchAll(ctx, queue, demand)
	r := &reader{ctx: ctx, queue: queue, demand: demand, buffers: g.store.engine.buffers}
	err := fn(g.info, r)
	if err != nil && r.err != nil && !errors.Is(r.err, io.EOF) {
		// What fn makes of a broken body is not its own error.
		err = r.err
	}
	cancel()
	r.drain()
	return err
}

// fetchAll asks for part after part.
func (g *get) fetchAll(ctx context.Context, queue chan chan part, demand <-chan struct{}) {
	defer close(queue)
	if first := g.first; first != nil {
		g.first = nil // it is the reader's to give back
		g.next += int64(len(first))
		queue <- came(part{data: first})
	}
	for g.next < g.end && ctx.Err() == nil {
		p, err := g.room(ctx, min(g.store.engine.cfg.PartSize, g.end-g.next), queue, demand)
		if err != nil {
			queue <- came(part{err: err})
			return
		}
		offset, coming := g.next, make(chan part, 1)
		g.next += int64(len(p.data))
		go func() { coming <- g.fetch(ctx, offset, p) }()
		queue <- coming
	}
}

func came(p part) chan part {
	c := make(chan part, 1)
	c <- p
	return c
}

// ownSize is the memory of a get whose reader would wait for a buffer.
const ownSize = 1 << 20

// room waits for a buffer, but not while the reader waits for this very part:
// it may hold what keeps others from giving theirs back. Such a part is small
// and goes through memory of the get's own, which the reader has left then.
func (g *get) room(ctx context.Context, n int64, queue chan chan part, demand <-chan struct{}) (part, error) {
	if buffer, ok := g.store.engine.buffers.try(n); ok {
		return part{data: buffer}, nil
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	got := make(chan []byte, 1)
	go func() {
		buffer, _ := g.store.engine.buffers.take(waiting, n)
		got <- buffer
	}()
	for {
		select {
		case buffer := <-got:
			if buffer == nil {
				return part{}, context.Cause(ctx)
			}
			return part{data: buffer}, nil
		case <-demand:
			if len(queue) > 0 {
				continue // it was asked for before the last part was there
			}
			stop()
			if buffer := <-got; buffer != nil {
				return part{data: buffer}, nil
			}
			if g.own == nil {
				g.own = make([]byte, min(ownSize, g.store.engine.cfg.PartSize))
			}
			return part{data: g.own[:min(n, int64(len(g.own)))], own: true}, nil
		}
	}
}

// fetch fills the part by a request that waits for nothing but the store.
func (g *get) fetch(ctx context.Context, offset int64, p part) part {
	r := objstore.Range{Offset: offset, Length: int64(len(p.data))}
	p.err = g.store.parts.Get(ctx, g.key, r, func(info objstore.Info, body io.Reader) error {
		if info.Size != g.info.Size || info.Tag != g.info.Tag || !info.Modified.Equal(g.info.Modified) {
			return fmt.Errorf("get %s: %w", g.key, errOverwritten)
		}
		_, err := io.ReadFull(body, p.data)
		return err
	})
	return p
}

// reader gives the parts out in order.
type reader struct {
	ctx     context.Context
	queue   <-chan chan part
	demand  chan<- struct{}
	buffers *buffers
	// left is the rest of the part that is held.
	held part
	left []byte
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
	r.giveBack(r.held)
	r.held = part{}
	coming, ok := r.wait()
	if !ok {
		r.err = io.EOF
		return
	}
	r.held = <-coming
	r.left, r.err = r.held.data, r.held.err
}

// wait returns the next part in the queue, which it asks for when there is
// none.
func (r *reader) wait() (chan part, bool) {
	select {
	case coming, ok := <-r.queue:
		return coming, ok
	default:
	}
	select {
	case coming, ok := <-r.queue:
		return coming, ok
	case r.demand <- struct{}{}:
		coming, ok := <-r.queue
		return coming, ok
	}
}

func (r *reader) giveBack(p part) {
	if p.data != nil && !p.own {
		r.buffers.give(p.data)
	}
}

// drain waits for what is still under way and gives all buffers back.
func (r *reader) drain() {
	r.giveBack(r.held)
	for coming := range r.queue {
		r.giveBack(<-coming)
	}
}
