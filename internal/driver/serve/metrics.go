package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/millrace/millrace/internal/dispatch"
)

// metrics are what /metrics shows.
type metrics struct {
	registry *prometheus.Registry
	appends  prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		appends: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "millrace_append_seconds", Help: "How long the store took to make a batch durable.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
		}),
	}
	m.registry.MustRegister(m.appends, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) appended(took time.Duration, _ int, _ error) { m.appends.Observe(took.Seconds()) }

// watch shows the dispatcher's own counters.
func (m *metrics) watch(d *dispatch.Dispatcher) {
	stats := d.Stats()
	counter := func(name, help string, value func() int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	gauge := func(name, help string, value func() int64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	counter("millrace_events_total", "Events taken from launchers and people.", stats.Events.Load)
	counter("millrace_rounds_total", "Turns of the loop.", stats.Rounds.Load)
	counter("millrace_records_total", "Records made durable.", stats.Records.Load)
	counter("millrace_append_failures_total", "Batches that the store did not take.", stats.AppendFailures.Load)
	gauge("millrace_questions_held", "Launchers and gates held open for want of work.", stats.Parked.Load)
	gauge("millrace_runs_loaded", "Runs in memory.", stats.Loaded.Load)
	gauge("millrace_queue_length", "Events that wait for the loop.", func() int64 { return int64(d.Queued()) })
}
