package schedule_test

import (
	"flag"
	"maps"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

var (
	simSeed = flag.Uint64("sim.seed", 0, "run this seed only")
	simRuns = flag.Int("sim.runs", 25, "seeds per flow")
)

// TestSimulatedCluster runs every shape of flow through a cluster in which
// messages, workers, pods and the driver fail, and checks the invariants after
// every event. A failure prints its seed.
func TestSimulatedCluster(t *testing.T) {
	flows := scheduletest.Flows()
	for _, name := range slices.Sorted(maps.Keys(flows)) {
		d := flows[name]
		for i := range d.Steps {
			d.Steps[i].Retry.UserRetries = 1
			d.Steps[i].Retry.DelaySeconds = 30
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var total scheduletest.Stats
			for seed := uint64(1); seed <= uint64(*simRuns); seed++ {
				if *simSeed != 0 && seed != *simSeed {
					continue
				}
				sim := scheduletest.NewSim(scheduletest.Harsh(seed, d, 7))
				if err := sim.Run(); err != nil {
					t.Fatal(err)
				}
				add(&total, sim.Stats)
			}
			t.Logf("%+v", total)
		})
	}
}

func add(total *scheduletest.Stats, s scheduletest.Stats) {
	total.Events += s.Events
	total.Records += s.Records
	total.Restarts += s.Restarts
	total.FailedAppends += s.FailedAppends
	total.Lost += s.Lost
	total.Killed += s.Killed
	total.Vanished += s.Vanished
	total.Zombies += s.Zombies
	total.Adopted += s.Adopted
	total.Stale += s.Stale
	total.Retried += s.Retried
	total.UserFailures += s.UserFailures
	total.Continued += s.Continued
	total.OutOfMemory += s.OutOfMemory
	total.Rounds += s.Rounds
	total.GaveWay += s.GaveWay
}

// BenchmarkSimulatedForeach100k is a foreach of 100,000 splits on 1000 lossy
// workers.
func BenchmarkSimulatedForeach100k(b *testing.B) {
	for b.Loop() {
		d := scheduletest.Flows()["foreach"]
		d.MaxWorkers = 1000
		cfg := scheduletest.Harsh(1, d, 100_000)
		cfg.Kill, cfg.UserFailure, cfg.Final, cfg.DriverDies, cfg.AppendFails, cfg.Quick = 0.001, 0, 0, 0, 0, true
		cfg.Policy.InfrastructureRetries = 5
		sim := scheduletest.NewSim(cfg)
		if err := sim.Run(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(sim.Stats.Events), "events")
	}
}
