package serve

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// TestEndings: a run that Kubeflow Pipelines ended is cancelled here, one that
// goes on or is not known there is not, and no answer changes nothing.
func TestEndings(t *testing.T) {
	s := start(t, config(t))
	open(t, s, "", "kfp-1", scheduletest.Flow("only end"))
	open(t, s, "", "kfp-2", scheduletest.Flow("only end"))
	answers, asked := map[string]string{}, map[string]int{}
	var trouble error
	e := &endings{store: s.store, dispatcher: s.dispatcher, logger: s.cfg.Logger, ended: func(_ context.Context, run string) (string, error) {
		asked[run]++
		return answers[run], trouble
	}}
	state := func(run string) (out schedule.RunView) {
		t.Helper()
		if err := s.dispatcher.View(t.Context(), run, func(r *schedule.Run) { out = r.Snapshot().Run }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	e.askAll(t.Context())
	trouble, answers["kfp-1"] = errors.New("no route"), "FAILED"
	e.askAll(t.Context())
	if got := state("kfp-1"); got.State != schedule.RunRunning || !e.failed {
		t.Errorf("without an answer: %+v, told %t", got, e.failed)
	}
	trouble = nil
	e.askAll(t.Context())
	if got := state("kfp-1"); got.State != schedule.RunCancelled || got.Reason != "terminated at Kubeflow Pipelines, where it is FAILED" {
		t.Errorf("terminated there: %+v", got)
	}
	if got := state("kfp-2"); got.State != schedule.RunRunning {
		t.Errorf("going on there: %+v", got)
	}
	// What was cancelled here first is closed too when it has ended there.
	if _, err := s.dispatcher.Do(t.Context(), "kfp-2", schedule.Cancelled{Reason: "by hand"}); err != nil {
		t.Fatal(err)
	}
	e.askAll(t.Context())
	answers["kfp-2"] = "FAILED"
	e.askAll(t.Context())
	before := maps.Clone(asked)
	e.askAll(t.Context())
	if !maps.Equal(asked, before) {
		t.Error("a run that is over is asked about again")
	}
	for _, run := range []string{"kfp-1", "kfp-2"} {
		// Only a closed run takes a pod of the first try for `:retry`.
		joined := schedule.Joined{Pool: "only", Incarnation: "again", PodUID: "u2"}
		if _, err := s.dispatcher.Do(t.Context(), run, joined); err != nil {
			t.Fatal(err)
		}
		if got := state(run); got.State != schedule.RunRunning {
			t.Errorf("%s after :retry: %+v", run, got)
		}
	}
}

func TestEndingsNeedAnInterval(t *testing.T) {
	cfg := config(t)
	cfg.Ended = func(context.Context, string) (string, error) { return "", nil }
	if _, err := cfg.check(); err == nil {
		t.Error("no interval is taken")
	}
}
