package dispatch

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// BenchmarkSplits runs the splits of one wide foreach through the loop and
// the store: three durable events each, asked by 64 workers at once.
func BenchmarkSplits(b *testing.B) {
	s := newShell(b, Config{Logger: slog.New(slog.DiscardHandler)})
	def := scheduletest.Flow("start split-foreach body", "body linear join", ">join join end", "end end")
	def.MaxSplits = int64(b.N)
	def.MaxWorkers = 64
	s.open(run1, def)
	s.do(schedule.Joined{Pool: "start", Incarnation: "s0"})
	g := s.grant("s0")
	s.do(started("s0", g))
	s.do(good("s0", g))
	g = s.grant("s0")
	s.do(started("s0", g))
	done := good("s0", g)
	done.Succeeded = &schedule.Transition{Next: []string{"body"}, NumSplits: int64(b.N)}
	s.do(done)
	b.ResetTimer()
	var workers sync.WaitGroup
	for i := range 64 {
		workers.Go(func() {
			incarnation := fmt.Sprintf("w%d", i)
			s.do(schedule.Joined{Pool: "body", Worker: i, Incarnation: incarnation})
			for {
				g, ok := s.do(asked(incarnation)).(schedule.Grant)
				if !ok {
					return
				}
				s.do(started(incarnation, g))
				end := good(incarnation, g)
				end.Succeeded = &schedule.Transition{Next: []string{"join"}}
				s.do(end)
			}
		})
	}
	workers.Wait()
	b.ReportMetric(float64(s.Stats().Records.Load())/float64(s.Stats().Rounds.Load()), "records/append")
}
