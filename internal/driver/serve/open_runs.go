package serve

import (
	"context"
	"time"

	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

// repeat does something at each tick until the context ends.
func repeat(ctx context.Context, every time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(ctx)
		}
	}
}

// openRuns are the runs that are running here.
func openRuns(ctx context.Context, store runstore.Store) ([]string, error) {
	live, err := store.List(ctx, runstore.ListOptions{LiveOnly: true})
	if err != nil {
		return nil, err
	}
	var running []string
	for _, info := range live {
		if info.State == string(schedule.RunRunning) {
			running = append(running, info.RunID)
		}
	}
	return running, nil
}
