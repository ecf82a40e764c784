package tasksocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

// BeginEarlier writes the first file of the task's earlier attempts that died
// before theirs: Metaflow counts attempts up to the first that has none, and
// would never see those after it.
func BeginEarlier(ctx context.Context, store objstore.Store, scope Scope, fence func(context.Context) error) error {
	body, err := encodeLikePython(begunNow())
	if err != nil {
		return fmt.Errorf("encoding %s: %w", attemptFile, err)
	}
	earlier := scope
	for earlier.Attempt = range scope.Attempt {
		err := store.Put(ctx, earlier.file(attemptFile), objstore.Bytes(body), objstore.PutOptions{IfAbsent: true, Fence: fence})
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("attempt %d did not come to %s: %w", earlier.Attempt, attemptFile, err)
		}
	}
	return nil
}

// begunNow is the content of an attempt's first file.
func begunNow() map[string]float64 {
	return map[string]float64{"time": float64(time.Now().UnixMicro()) / 1e6}
}
