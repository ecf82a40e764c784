package artifact

import (
	"container/list"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/millrace/millrace/internal/objstore"
)

// keptAtOnce is the size up to which content is kept when it is first loaded.
// Of larger content a copy would cost more than it is worth to the many tasks
// that nobody shares an input with: it is kept when it is asked for again.
const keptAtOnce = 1 << 20

// cache keeps decoded content as files, for the tasks of one pod that read the
// same inputs. What is handed out is a copy, verified again: the files are
// within reach of the user's code.
type cache struct {
	dir   string
	limit int64

	mu      sync.Mutex
	size    int64
	entries map[string]*list.Element
	order   *list.List // the most recently used first
	asked   *recent    // what was loaded and not kept
	coming  map[string]chan struct{}
}

type entry struct {
	sha  string
	size int64
}

// newCache is nil, which keeps nothing, without a folder or room in it.
func newCache(dir string, limit int64) *cache {
	if dir == "" || limit <= 0 {
		return nil
	}
	return &cache{dir: dir, limit: limit, entries: map[string]*list.Element{}, order: list.New(), asked: newRecent(), coming: map[string]chan struct{}{}}
}

func (c *cache) file(sha string) string { return filepath.Join(c.dir, sha) }

// copyTo makes file a copy of the key's content, if it is kept.
func (c *cache) copyTo(ctx context.Context, key, file string) (bool, error) {
	sha := path.Base(key)
	if c == nil || !c.touch(sha) {
		return false, nil
	}
	in, err := os.Open(c.file(sha))
	if err != nil {
		c.drop(sha) // made room for another, or removed by somebody
		return false, nil
	}
	defer in.Close()
	hash := sha1.New()
	err = writeNew(file, func(out io.Writer) error {
		_, err := io.Copy(io.MultiWriter(out, hash), objstore.Ending(ctx, in))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("artifact %s: %w", sha, err)
	}
	if hex.EncodeToString(hash.Sum(nil)) != sha {
		c.drop(sha)
		return false, os.Remove(file)
	}
	return true, nil
}

// touch says whether the content is kept, and that it is used.
func (c *cache) touch(sha string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[sha]
	if ok {
		c.order.MoveToFront(e)
	}
	return ok
}

// offer keeps a copy of verified content, if it is worth it. It is an attempt:
// a full disk is no reason to fail.
func (c *cache) offer(key, file string) {
	if c == nil {
		return
	}
	sha := path.Base(key)
	st, err := os.Stat(file)
	if err != nil || st.Size() > c.limit/4 || st.Size() > keptAtOnce && !c.again(sha) {
		return
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return
	}
	in, err := os.Open(file)
	if err != nil {
		return
	}
	defer in.Close()
	made, err := os.CreateTemp(c.dir, "new-")
	if err != nil {
		return
	}
	_, err = io.Copy(made, in)
	if err = errors.Join(err, made.Close()); err == nil {
		err = os.Rename(made.Name(), c.file(sha))
	}
	if err != nil {
		os.Remove(made.Name())
		return
	}
	c.add(entry{sha, st.Size()})
}

// await waits while the content is being fetched into the cache.
func (c *cache) await(ctx context.Context, key string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	coming := c.coming[path.Base(key)]
	c.mu.Unlock()
	if coming == nil {
		return
	}
	select {
	case <-coming:
	case <-ctx.Done():
	}
}

// fetch keeps what load writes to the file it is given, unless the content is
// kept or coming already.
func (c *cache) fetch(key string, load func(file string) error) error {
	if c == nil {
		return nil
	}
	sha := path.Base(key)
	c.mu.Lock()
	_, kept := c.entries[sha]
	_, coming := c.coming[sha]
	if kept || coming {
		c.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	c.coming[sha] = done
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.coming, sha)
		close(done)
	}()
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	made := c.file("new-" + sha)
	if err := load(made); err != nil {
		return err
	}
	st, err := os.Stat(made)
	if err == nil {
		err = os.Rename(made, c.file(sha))
	}
	if err != nil {
		return err
	}
	c.add(entry{sha, st.Size()})
	return nil
}

// again says whether the content was loaded before.
func (c *cache) again(sha string) bool {
	if c.asked.has(nil, sha) {
		return true
	}
	c.asked.add(nil, sha)
	return false
}

// add makes room for an entry whose file is there.
func (c *cache) add(e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, twice := c.entries[e.sha]; twice {
		return
	}
	c.entries[e.sha] = c.order.PushFront(e)
	c.size += e.size
	for c.size > c.limit {
		c.remove(c.order.Back())
	}
}

func (c *cache) drop(sha string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[sha]; ok {
		c.remove(e)
	}
}

func (c *cache) remove(e *list.Element) {
	old, _ := c.order.Remove(e).(entry)
	delete(c.entries, old.sha)
	c.size -= old.size
	os.Remove(c.file(old.sha))
}

// writeNew makes a file; when write fails it is gone.
func writeNew(file string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err != nil {
		os.Remove(file)
	}
	return err
}
