package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/internal/objstore"
)

// errCrowded ends the first request of an object in parts when there is no room
// for one more: it is waited for without a request. What is waited for may need
// the place in the limit that a request takes.
var errCrowded = errors.New("too many objects in parts at a time")

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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &get{store: s, key: key, ctx: ctx}
	small, err := g.ask(r, fn)
	switch {
	case small:
		return err
	case errors.Is(err, errCrowded):
		if err := g.wait(); err != nil {
			return err
		}
		err = g.read(fn)
	case err != nil:
		g.giveBack(g.first)
	default:
		err = g.read(fn)
	}
	cancel()
	for p := range g.queue {
		g.giveBack(p)
	}
	return err
}

// get is one object that comes in parts.
type get struct {
	ctx   context.Context
	store *Store
	key   string
	info  objstore.Info
	// next is where the first part begins that is not asked for, end is where
	// the last one ends.
	next, end int64
	// first is the first part, once there is room for it.
	first *part
	own   []byte
	// A place in the queue is a part asked for and not read yet. What comes
	// from demand says that the reader waits for the next one.
	queue  chan *part
	demand chan struct{}
}

// ask makes the first request. An object of one part is small: fn reads it, or
// why not. Of another one it brings the first part, if there is room.
func (g *get) ask(r objstore.Range, fn func(objstore.Info, io.Reader) error) (small bool, err error) {
	engine := g.store.engine
	size := engine.cfg.PartSize
	err = g.store.next.Get(g.ctx, g.key, objstore.Range{Offset: r.Offset, Length: size}, func(info objstore.Info, body io.Reader) error {
		if g.first != nil {
			return g.readFirst(info, body)
		}
		g.info, g.next, g.end = info, r.Offset, info.Size
		if r.Length >= 0 {
			g.end = min(g.end, r.Offset+r.Length)
		}
		if g.end-g.next <= size {
			return fn(info, body)
		}
		if !engine.gets.TryAcquire(1) {
			return errCrowded
		}
		buffer, ok := engine.buffers.try(size)
		if !ok {
			engine.gets.Release(1)
			return errCrowded
		}
		g.begin(buffer)
		return g.readFirst(info, body)
	})
	if g.first != nil {
		if err == nil {
			g.first.filled <- len(g.first.data)
		}
		close(g.first.filled)
	}
	return g.first == nil && !errors.Is(err, errCrowded), err
}

// begin takes a buffer for the first part, and has the others fetched.
func (g *get) begin(buffer []byte) {
	g.first = newPart(buffer, false)
	g.next += int64(len(buffer))
	g.queue, g.demand = make(chan *part, g.store.engine.cfg.AtOnce-1), make(chan struct{})
	go g.fetchAll()
}

// wait begins when there is room, and has the first part fetched like the
// others. Nobody waits yet for what this get holds.
func (g *get) wait() error {
	engine := g.store.engine
	if err := engine.gets.Acquire(g.ctx, 1); err != nil {
		return context.Cause(g.ctx)
	}
	buffer, err := engine.buffers.take(g.ctx, engine.cfg.PartSize)
	if err != nil {
		engine.gets.Release(1)
		return err
	}
	offset := g.next
	g.begin(buffer)
	go g.fetch(offset, g.first)
	return nil
}

func (g *get) readFirst(info objstore.Info, body io.Reader) error {
	if err := g.same(info); err != nil {
		return err
	}
	_, err := io.ReadFull(body, g.first.data)
	return err
}

// same says whether an answer is about the content that the get began with.
func (g *get) same(info objstore.Info) error {
	if info.Size != g.info.Size || info.Tag != g.info.Tag || !info.Modified.Equal(g.info.Modified) {
		return fmt.Errorf("get %s: %w", g.key, errOverwritten)
	}
	return nil
}

// read lets fn read the parts in their order while the next ones are fetched.
func (g *get) read(fn func(objstore.Info, io.Reader) error) error {
	r := &reader{get: g, held: g.first}
	err := fn(g.info, r)
	if err != nil && r.err != nil && !errors.Is(r.err, io.EOF) {
		// What fn makes of a broken body is not its own error.
		err = r.err
	}
	if r.held != nil {
		g.giveBack(r.held)
	}
	return err
}

// part is a stretch of the object. own is the get's own memory, not the
// engine's.
type part struct {
	data []byte
	own  bool
	// filled tells how much of data is there, again and again; after it is
	// closed err says why it is not all.
	filled chan int
	err    error
}

// step is how much of a part arrives before its reader hears of it: so the
// first of the parts that come at a time is read while they come.
const step = 512 << 10

func newPart(data []byte, own bool) *part {
	return &part{data: data, own: own, filled: make(chan int, len(data)/step+1)}
}

// giveBack waits until nothing is written any more.
func (g *get) giveBack(p *part) {
	for range p.filled {
	}
	if p.data != nil && !p.own {
		g.store.engine.buffers.give(p.data)
	}
}

// fetchAll asks for part after part. When it has asked for all another get may
// begin.
func (g *get) fetchAll() {
	defer g.store.engine.gets.Release(1)
	defer close(g.queue)
	for g.next < g.end && g.ctx.Err() == nil {
		p, err := g.room(min(g.store.engine.cfg.PartSize, g.end-g.next))
		if err != nil {
			p = &part{filled: make(chan int), err: err}
			close(p.filled)
			g.queue <- p
			return
		}
		offset := g.next
		g.next += int64(len(p.data))
		go g.fetch(offset, p)
		g.queue <- p
	}
}

// ownSize is the memory of a get whose reader would wait for a buffer.
const ownSize = 1 << 20

// room waits for a buffer, but not while the reader waits for this very part:
// it may hold what keeps others from giving theirs back. Such a part is small
// and goes through memory of the get's own, which the reader has left then.
func (g *get) room(n int64) (*part, error) {
	if buffer, ok := g.store.engine.buffers.try(n); ok {
		return newPart(buffer, false), nil
	}
	waiting, stop := context.WithCancel(g.ctx)
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
				return nil, context.Cause(g.ctx)
			}
			return newPart(buffer, false), nil
		case <-g.demand:
			if len(g.queue) > 0 {
				continue // it was asked for before the last part was there
			}
			stop()
			if buffer := <-got; buffer != nil {
				return newPart(buffer, false), nil
			}
			if g.own == nil {
				g.own = make([]byte, min(ownSize, g.store.engine.cfg.PartSize))
			}
			return newPart(g.own[:min(n, int64(len(g.own)))], true), nil
		}
	}
}

// fetch fills the part by a request that waits for nothing but the store.
func (g *get) fetch(offset int64, p *part) {
	defer close(p.filled)
	told := 0
	r := objstore.Range{Offset: offset, Length: int64(len(p.data))}
	p.err = g.store.parts.Get(g.ctx, g.key, r, func(info objstore.Info, body io.Reader) error {
		if err := g.same(info); err != nil {
			return err
		}
		// What the reader has been told of is the reader's.
		if _, err := io.CopyN(io.Discard, body, int64(told)); err != nil {
			return err
		}
		for told < len(p.data) {
			n, err := io.ReadFull(body, p.data[told:min(told+step, len(p.data))])
			if err != nil {
				return err
			}
			told += n
			p.filled <- told
		}
		return nil
	})
}
