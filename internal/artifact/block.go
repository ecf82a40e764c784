package artifact

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
)

// blockSize is how much content is encoded or decoded at a time by one core.
const blockSize = 512 << 10

// block is a piece of content on its way through the cores.
type block struct {
	// in has room for a piece of content, or for the member it is stored as.
	in []byte
	// content is what comes of it, good once done is closed and err is nil.
	content []byte
	err     error
	done    chan struct{}

	out bytes.Buffer
}

// takeBlock waits for one of the pool's blocks, whose number bounds the memory
// of all that is encoded and decoded at a time. Whoever holds some needs no
// further one to get rid of them.
func (p *Pool) takeBlock(ctx context.Context) (*block, error) {
	select {
	case b := <-p.blocks:
		if b == nil { // made when first taken
			b = &block{in: make([]byte, longestMember)}
		}
		b.content, b.err, b.done = nil, nil, make(chan struct{})
		b.out.Reset()
		return b, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (p *Pool) giveBlock(b *block) { p.blocks <- b }

// inOrder lets produce emit blocks, in order, from a goroutine of its own, and
// uses each when it is done. Blocks are given back when they were used.
func (p *Pool) inOrder(ctx context.Context, produce func(ctx context.Context, emit func(*block)) error, use func(content []byte) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	line := make(chan *block, cap(p.blocks)) // has room for all there are
	var produced, failed error
	var running sync.WaitGroup
	running.Go(func() {
		defer close(line)
		produced = produce(ctx, func(b *block) { line <- b })
	})
	for b := range line {
		<-b.done
		if failed == nil {
			failed = b.err
		}
		if failed == nil {
			failed = use(b.content)
		}
		p.giveBlock(b)
		if failed != nil {
			cancel(failed) // the producer ends; what it has emitted is given back
		}
	}
	running.Wait()
	if failed != nil {
		return failed
	}
	return produced
}

// work does the block's work on a core of its own when one is free.
func (p *Pool) work(ctx context.Context, b *block, do func() error) {
	go func() {
		defer close(b.done)
		if err := p.encoders.Acquire(ctx, 1); err != nil {
			b.err = context.Cause(ctx)
			return
		}
		defer p.encoders.Release(1)
		b.err = do()
	}()
}

// plainBlocks emits what r reads as it is.
func (p *Pool) plainBlocks(ctx context.Context, r io.Reader, emit func(*block)) error {
	for {
		b, err := p.takeBlock(ctx)
		if err != nil {
			return err
		}
		n, err := fill(b.in[:blockSize], r)
		b.content = b.in[:n]
		close(b.done)
		emit(b)
		if err != nil {
			return ignoreEOF(err)
		}
	}
}

// fill reads until the buffer is full or the reader ends, and unlike
// io.ReadFull returns the reader's own error: one that breaks off inside is
// not one that ends.
func fill(buffer []byte, r io.Reader) (n int, err error) {
	for n < len(buffer) && err == nil {
		var got int
		got, err = r.Read(buffer[n:])
		n += got
	}
	if n == len(buffer) && errors.Is(err, io.EOF) {
		err = nil // the next read says so again
	}
	return n, err
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
