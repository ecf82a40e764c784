package tasksocket

import (
	"context"
	"path"
	"sync"

	"github.com/millrace/millrace/internal/objstore"
)

const (
	// aheadInputs is how far a join's reading is gone ahead of.
	aheadInputs = 32
	// aheadSize bounds the artifacts that are fetched before they are asked
	// for: of large ones a join may want a few only, and there is no round
	// trip to speak of to be saved.
	aheadSize = 1 << 20
)

// ahead follows a join through its inputs. Metaflow loads each artifact when
// the user's code first touches it, so `[i.x for i in inputs]` is one round
// trip after the other; who reads x of two inputs in a row is taken to want
// those of the next ones.
type ahead struct {
	mu sync.Mutex
	// near is the input that was read last; last, by name, that of which the
	// artifact was; until, by name, the first that is not fetched yet.
	near        int
	last, until map[string]int
	running     chan struct{}
}

func newAhead() *ahead {
	return &ahead{last: map[string]int{}, until: map[string]int{}, running: make(chan struct{}, parallel)}
}

// follow notes that the child reads the key, and fetches what it may read next.
func (in *inputs) follow(ctx context.Context, store objstore.Store, key string) {
	if in == nil || store != in.store || len(in.tasks) <= 1 {
		return
	}
	for _, sha := range in.next(path.Base(key)) {
		select {
		case in.ahead.running <- struct{}{}:
		default:
			return // the store is slower than the child
		}
		in.s.running.Go(func() {
			defer func() { <-in.ahead.running }()
			// It is only ahead: the child's own load says what is wrong.
			_ = in.s.cfg.Artifacts.Fetch(ctx, in.store, in.contentKey(sha))
		})
	}
}

// next returns the keys to fetch after the child's asking for one.
func (in *inputs) next(sha string) []string {
	a := in.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	i, name, ok := in.index.find(sha, a.near)
	if !ok {
		return nil
	}
	before, again := a.last[name]
	a.near, a.last[name] = i, i
	if !again || i != before+1 {
		return nil
	}
	var keys []string
	for n := max(a.until[name], i+1); n <= i+aheadInputs; n++ {
		o, ok := in.index.artifact(n, name)
		if !ok {
			break
		}
		a.until[name] = n + 1
		if o.sha != noneKey && o.size <= aheadSize {
			keys = append(keys, o.sha)
		}
	}
	return keys
}
