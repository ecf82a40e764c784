package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/artifact"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/open"
)

// carrier is the first argument of the process that is measured.
const carrier = "carry"

// atOnce is how many blobs are under way; what they hold in memory has bounds
// of its own.
const atOnce = 32

// move is one blob's way between a file and its key, the file's name.
type move func(ctx context.Context, key, file string) error

// carry brings the files of a folder to a root or a root's objects to a
// folder: "plain" copies them, as s5cmd does, "verified" goes the way of a
// task's artifacts.
func carry(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return errors.New("want plain or verified, up or down, a folder and a root")
	}
	how, direction, folder, root := args[0], args[1], args[2], args[3]
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store, err := open.New(open.Options{Logger: logger}.FromEnvironment(os.Getenv)).Root(root)
	if err != nil {
		return err
	}
	pool := artifact.New(artifact.Config{TempDir: filepath.Dir(folder)})
	moves := map[string]move{
		"plain up":      func(ctx context.Context, key, file string) error { return put(ctx, store, key, file) },
		"plain down":    func(ctx context.Context, key, file string) error { return get(ctx, store, key, file) },
		"verified up":   func(ctx context.Context, key, file string) error { return save(ctx, pool, store, key, file) },
		"verified down": func(ctx context.Context, key, file string) error { return pool.Load(ctx, store, key, file) },
	}
	keys := local(folder)
	if direction == "down" {
		keys = remote(ctx, store)
	}
	return all(ctx, keys, folder, moves[how+" "+direction])
}

// all moves the blobs. The same few goroutines do it: a new one for each would
// have its stack grown each time.
func all(ctx context.Context, keys iter.Seq2[string, error], folder string, one move) error {
	group, ctx := errgroup.WithContext(ctx)
	queue := make(chan string)
	for range atOnce {
		group.Go(func() error {
			for key := range queue {
				if err := one(ctx, key, filepath.Join(folder, key)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(queue)
		for key, err := range keys {
			if err != nil {
				return err
			}
			select {
			case queue <- key:
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	})
	return group.Wait()
}

func local(folder string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			yield("", err)
		}
		for _, e := range entries {
			if !yield(e.Name(), nil) {
				return
			}
		}
	}
}

func remote(ctx context.Context, store objstore.Store) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for info, err := range store.List(ctx, "") {
			if !yield(info.Key, err) {
				return
			}
		}
	}
}

func put(ctx context.Context, store objstore.Store, key, file string) error {
	src, err := objstore.File(file)
	if err != nil {
		return err
	}
	return store.Put(ctx, key, src, objstore.PutOptions{})
}

func save(ctx context.Context, pool *artifact.Pool, store objstore.Store, key, file string) error {
	src, err := objstore.File(file)
	if err != nil {
		return err
	}
	return pool.Save(ctx, store, key, src, true, nil)
}

func get(ctx context.Context, store objstore.Store, key, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	err = store.Get(ctx, key, objstore.Whole, func(_ objstore.Info, body io.Reader) error {
		// The callback may run again: begin afresh.
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.Copy(f, body)
		return err
	})
	return cmp.Or(err, f.Close())
}
