package main

import (
	"context"
	"errors"
	"fmt"
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

// carry brings the files of a folder to a root or a root's objects to a
// folder, as the launcher does for a task.
func carry(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("want up or down, a folder and a root")
	}
	direction, folder, root := args[0], args[1], args[2]
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store, err := open.New(open.Options{Logger: logger}.FromEnvironment(os.Getenv)).Root(root)
	if err != nil {
		return err
	}
	pool := artifact.New(artifact.Config{TempDir: filepath.Dir(folder)})
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	switch direction {
	case "up":
		err = up(inner, group, pool, store, folder)
	case "down":
		err = down(inner, group, pool, store, folder)
	default:
		err = fmt.Errorf("direction %q: want up or down", direction)
	}
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

func up(ctx context.Context, group *errgroup.Group, pool *artifact.Pool, store objstore.Store, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		group.Go(func() error {
			src, err := objstore.File(filepath.Join(folder, e.Name()))
			if err != nil {
				return err
			}
			return pool.Save(ctx, store, e.Name(), src, true, nil)
		})
	}
	return nil
}

func down(ctx context.Context, group *errgroup.Group, pool *artifact.Pool, store objstore.Store, folder string) error {
	for info, err := range store.List(ctx, "") {
		if err != nil {
			return err
		}
		group.Go(func() error { return pool.Load(ctx, store, info.Key, filepath.Join(folder, info.Key)) })
	}
	return nil
}
