package artifact

import (
	"sync"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

const (
	// recentKeys bounds a generation of what is remembered.
	recentKeys = 1 << 14
	// recentFor is how long an object is believed to be where it was: whoever
	// cleans a datastore up leaves alone what running tasks have just used.
	recentFor = 30 * time.Minute
)

// recent remembers which objects were seen in their store, so that what every
// task stores again (its name, True, None) is not sent each time.
type recent struct {
	mu         sync.Mutex
	young, old map[place]time.Time
}

type place struct {
	store objstore.Store
	key   string
}

func newRecent() *recent { return &recent{young: map[place]time.Time{}} }

func (r *recent) add(store objstore.Store, key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= recentKeys {
		r.young, r.old = map[place]time.Time{}, r.young
	}
	r.young[place{store, key}] = time.Now()
}

func (r *recent) has(store objstore.Store, key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.young[place{store, key}]
	if !ok {
		at, ok = r.old[place{store, key}]
	}
	return ok && time.Since(at) < recentFor
}
