package schedule_test

import (
	"flag"
	"maps"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

var (
	simSeed = flag.Uint64("sim.seed", 0, "run this seed only")
	simRuns = flag.Int("sim.runs", 15, "seeds per flow")
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

// TestSimulatedContinuations: workers are lost so often that tasks use up their
// attempts and go on under new ids.
func TestSimulatedContinuations(t *testing.T) {
	simulate(t, []string{"gangs", "leaves", "loops", "mixed"}, 5, func(cfg *scheduletest.SimConfig) {
		cfg.Policy.InfrastructureRetries = 40
		cfg.Kill, cfg.Vanish, cfg.Zombie, cfg.UserFailure, cfg.Final = 0.6, 0.9, 0.3, 0.2, 0
	}, func(s scheduletest.Stats) bool { return s.Continued > 0 })
}

// TestSimulatedResume: runs that go on from another take over what had
// succeeded there, and nothing that follows from what had not.
func TestSimulatedResume(t *testing.T) {
	simulate(t, slices.Sorted(maps.Keys(scheduletest.Flows())), 3, func(cfg *scheduletest.SimConfig) {
		cfg.Resume = &schedule.Resume{OriginRun: "kfp-origin"}
		if cfg.Seed == 3 {
			steps := cfg.Definition.Steps
			cfg.Resume.Step = steps[len(steps)/2].Name
		}
	}, func(s scheduletest.Stats) bool { return s.Cloned > 0 })
}

// simulate runs flows by name over some seeds; what the test is about must have
// happened.
func simulate(t *testing.T, flows []string, seeds uint64, change func(*scheduletest.SimConfig), happened func(scheduletest.Stats) bool) {
	var total scheduletest.Stats
	for _, name := range flows {
		for seed := uint64(1); seed <= seeds; seed++ {
			if *simSeed != 0 && seed != *simSeed {
				continue
			}
			d := scheduletest.Flows()[name]
			for i := range d.Steps {
				d.Steps[i].Retry.UserRetries = 1
			}
			cfg := scheduletest.Harsh(seed, d, 4)
			change(&cfg)
			sim := scheduletest.NewSim(cfg)
			if err := sim.Run(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			add(&total, sim.Stats)
		}
	}
	t.Logf("%+v", total)
	if *simSeed == 0 && !happened(total) {
		t.Error("it never happened")
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
	total.Cloned += s.Cloned
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
