package graph

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/test/flowgen"
)

var (
	seed  = flag.Uint64("graph.seed", 0, "play only the flow of this seed")
	first = flag.Uint64("graph.first", 1, "the first seed")
	flows = flag.Uint64("graph.flows", 600, "how many flows are played")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are the flows of this test: not what is run with Python, so larger.
func options() flowgen.Options {
	return flowgen.Options{Steps: 16, Tasks: 120, Splits: 5, Turns: 4, Gang: 4}
}

// TestRandomFlows plays many random flows against the driver: the core, its
// loop, and a log in memory.
func TestRandomFlows(t *testing.T) {
	d := newDispatcher(t)
	playAll(t, *flows, func(ctx context.Context, runID string, def *flowdef.Definition) (driver, error) {
		return newDirect(ctx, d, runID, def)
	})
}

// TestOverTheWire plays some by the calls that launchers make, over a database
// and over restarts of the driver.
func TestOverTheWire(t *testing.T) {
	s := newServer(t)
	playAll(t, *flows/10, func(ctx context.Context, runID string, def *flowdef.Definition) (driver, error) {
		w, err := newWire(ctx, s, runID, def)
		if err == nil {
			t.Cleanup(func() { _ = w.c.Close() })
		}
		return w, err
	})
}

// connect makes a run's way to the driver.
type connect func(ctx context.Context, runID string, def *flowdef.Definition) (driver, error)

// playAll plays the flows of many seeds, some at once.
func playAll(t *testing.T, count uint64, to connect, change ...func(*cluster, []*flowgen.Task)) {
	t.Helper()
	from, end := *first, *first+count
	if *seed != 0 {
		from, end = *seed, *seed+1
	}
	var mu sync.Mutex
	var total stats
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(4)
	for s := from; s < end; s++ {
		group.Go(func() error {
			seen, err := play(ctx, to, s, change)
			mu.Lock()
			total.add(seen)
			mu.Unlock()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("seeds %d to %d: %+v", from, end-1, total)
}

// play plays the flow of a seed, in its weather.
func play(ctx context.Context, to connect, s uint64, changes []func(*cluster, []*flowgen.Task)) (stats, error) {
	f, tasks, err := flowgen.Make(s, options())
	if err != nil {
		return stats{}, err
	}
	sky := [...]weather{calm, rough}[s%2]
	if s%8 == 0 {
		sky = storm
	}
	c, err := newCluster(s, f, tasks, sky)
	if err == nil {
		c.driver, err = to(ctx, fmt.Sprintf("kfp-%d", s), c.def)
	}
	if s%4 == 3 && !f.Features(nil)["gang"] { // a gang has to have room
		c.slots = 1 + int(s/4)%3
	}
	if err == nil {
		for _, change := range changes {
			change(c, tasks)
		}
		err = c.run()
	}
	if err != nil && ctx.Err() == nil {
		return stats{}, fmt.Errorf("-graph.seed=%d: %s%s: %w", s, f, c.origin, err)
	}
	return c.stats, ctx.Err()
}
