package graph

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/test/flowgen"
)

var (
	seed  = flag.Uint64("graph.seed", 0, "play only the flow of this seed")
	first = flag.Uint64("graph.first", 1, "the first seed")
	flows = flag.Uint64("graph.flows", 800, "how many flows are played")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are the flows of this test: not what is run with Python, so larger.
func options() flowgen.Options {
	return flowgen.Options{Steps: 16, Tasks: 120, Splits: 5, Turns: 4, Gang: 4, Without: lacking}
}

// lacking is what the driver cannot do yet.
var lacking = []string{"gang"}

// continues: a task whose attempt numbers are used up goes on under another id.
const continues = false

// TestRandomFlows plays thousands of random flows against the driver.
func TestRandomFlows(t *testing.T) {
	d := newDispatcher(t)
	from, to := *first, *first+*flows
	if *seed != 0 {
		from, to = *seed, *seed+1
	}
	var mu sync.Mutex
	var total stats
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(4)
	for s := from; s < to; s++ {
		group.Go(func() error {
			seen, err := play(ctx, d, s)
			mu.Lock()
			total.add(seen)
			mu.Unlock()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("seeds %d to %d: %+v", from, to-1, total)
}

// play plays the flow of a seed, every other one in rough weather.
func play(ctx context.Context, d *dispatch.Dispatcher, s uint64) (stats, error) {
	f, tasks, err := flowgen.Make(s, options())
	if err != nil {
		return stats{}, err
	}
	driver, err := newDirect(ctx, d, fmt.Sprintf("kfp-%d", s), f.Definition())
	if err != nil {
		return stats{}, err
	}
	sky := [...]weather{calm, rough}[s%2]
	if s%8 == 0 && continues {
		sky = storm
	}
	c, err := newCluster(s, f, tasks, driver, sky)
	if err != nil {
		return stats{}, fmt.Errorf("-graph.seed=%d: %s: %w", s, f, err)
	}
	if err := c.run(); err != nil && ctx.Err() == nil {
		return stats{}, fmt.Errorf("-graph.seed=%d: %s: %w", s, f, err)
	}
	return c.stats, ctx.Err()
}
