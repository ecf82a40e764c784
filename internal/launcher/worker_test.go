package launcher

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/lease"
)

var (
	aTask      = driverclient.Answer{Task: &driverclient.Task{Ref: driverclient.TaskRef{Step: "work", TaskID: "task-3"}, IndexPath: []int64{3}}}
	drained    = driverclient.Answer{Drained: true, Lists: []driverclient.WorkerList{{Step: "next", Workers: []int32{0, 1, 2}}}}
	leave      = driverclient.Answer{Leave: true}
	wait       = driverclient.Answer{Wait: time.Second}
	ended      = driverclient.Answer{Ended: &driverclient.Ended{State: driverclient.RunFailed, Reason: "elsewhere"}}
	endedHere  = driverclient.Answer{Ended: &driverclient.Ended{State: driverclient.RunFailed, Reason: "here", ExitFailed: true}}
	giveWay    = driverclient.Answer{GiveWay: "3 of 4 workers are there"}
	noDriver   = refused(driverclient.ErrUnavailable)
	noSuchRun  = refused(driverclient.ErrUnknown)
	leaseLost  = lease.ErrLost
	failedHere = driverclient.Reported{ExitFailed: true}
)

// TestWorker is the exit table of `run`: what the driver answers, what the
// worker calls, how it ends and what KFP finds.
func TestWorker(t *testing.T) {
	tests := map[string]struct {
		script map[string][]any
		// runs are the ends of the tasks that are run.
		runs   []any
		calls  []string
		exit   int
		output string
	}{
		"nothing to do": {
			script: map[string][]any{"acquire": {drained}},
			calls:  []string{"open", "join", "acquire"}, output: "[0,1,2]",
		},
		"sent away": {
			script: map[string][]any{"acquire": {wait, leave}},
			calls:  []string{"open", "join", "acquire", "acquire"}, output: "[]",
		},
		"one task": {
			script: map[string][]any{"acquire": {aTask}, "acquire3": {drained}}, runs: []any{driverclient.Reported{}},
			calls: []string{"open", "join", "acquire", "run", "acquire3"}, output: "[0,1,2]",
		},
		"the run ended by another": {
			script: map[string][]any{"acquire": {ended}},
			calls:  []string{"open", "join", "acquire"}, output: "[]",
		},
		"the run ended by this worker": {
			script: map[string][]any{"acquire": {endedHere}},
			calls:  []string{"open", "join", "acquire"}, exit: 1,
		},
		"restarted after the final failure": {
			script: map[string][]any{"join": {driverclient.Joined{ExitFailed: true, Reason: "attempt 3"}}},
			calls:  []string{"open", "join"}, exit: 1,
		},
		"the gang did not form": {
			script: map[string][]any{"acquire": {wait, giveWay}},
			calls:  []string{"open", "join", "acquire", "acquire", "leave"}, exit: 1,
		},
		"final failure": {
			script: map[string][]any{"acquire": {aTask}}, runs: []any{failedHere},
			calls: []string{"open", "join", "acquire", "run"}, exit: 1,
		},
		"lease lost": {
			script: map[string][]any{"acquire": {aTask, drained}}, runs: []any{leaseLost},
			calls: []string{"open", "join", "acquire", "run", "release", "acquire"}, output: "[0,1,2]",
		},
		"lease lost while the driver is away": {
			script: map[string][]any{"acquire": {aTask, drained}, "release": {noDriver, noDriver, refused(driverclient.ErrStale)}}, runs: []any{leaseLost},
			calls: []string{"open", "join", "acquire", "run", "release", "release", "release", "acquire"}, output: "[0,1,2]",
		},
		"driver away": {
			script: map[string][]any{"open": {noDriver, noDriver, struct{}{}}, "join": {noDriver, driverclient.Joined{}}, "acquire": {noDriver, drained}},
			calls:  []string{"open", "open", "open", "join", "join", "acquire", "acquire"}, output: "[0,1,2]",
		},
		"driver without the definition": {
			script: map[string][]any{"open": {noSuchRun, struct{}{}}, "acquire": {drained}},
			calls:  []string{"open", "open", "join", "acquire"}, output: "[0,1,2]",
		},
		"driver came back without its state": {
			script: map[string][]any{"acquire": {noSuchRun, drained}},
			calls:  []string{"open", "join", "acquire", "open", "join", "acquire"}, output: "[0,1,2]",
		},
		"replaced": {
			script: map[string][]any{"acquire": {refused(driverclient.ErrStale)}},
			calls:  []string{"open", "join", "acquire"}, exit: 1,
		},
		"denied":   {script: map[string][]any{"open": {refused(driverclient.ErrDenied)}}, calls: []string{"open"}, exit: 1},
		"too old":  {script: map[string][]any{"open": {refused(driverclient.ErrTooOld)}}, calls: []string{"open"}, exit: 1},
		"conflict": {script: map[string][]any{"open": {refused(driverclient.ErrConflict)}}, calls: []string{"open"}, exit: 1},
		"invalid":  {script: map[string][]any{"join": {refused(driverclient.ErrInvalid)}}, calls: []string{"open", "join"}, exit: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "outputs", "workers")
			synctest.Test(t, func(t *testing.T) {
				s, f := newSession(t, tt.script, map[string]string{"workers_next": file})
				f.script["run"] = tt.runs
				w := &worker{session: s, flow: &flowdef.Definition{}, step: &flowdef.Step{Name: "work"}, ready: func() error { return nil }}
				w.run = func(context.Context, *driverclient.Task, time.Time) (driverclient.Reported, error) {
					return next[driverclient.Reported](f, "run")
				}
				if got := exitCode(w.serve(t.Context())); got != tt.exit {
					t.Errorf("exit %d, want %d", got, tt.exit)
				}
				f.wantCalls(t, tt.calls...)
			})
			got, err := os.ReadFile(file)
			if string(got) != tt.output || (err == nil) != (tt.output != "") {
				t.Errorf("output %q, %v; want %q", got, err, tt.output)
			}
		})
	}
}

// TestWorkerIsTold: a pod that is deleted while its worker waits says goodbye.
func TestWorkerIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newSession(t, map[string][]any{"acquire": {driverclient.Answer{Wait: time.Hour}}}, nil)
		w := &worker{session: s, step: &flowdef.Step{Name: "work"}, ready: func() error { return nil }}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(errors.New("terminated signal received")) })
		if got := exitCode(w.serve(ctx)); got != exitSignaled {
			t.Errorf("exit %d, want %d", got, exitSignaled)
		}
		f.wantCalls(t, "open", "join", "acquire", "leave")
	})
}

func TestParametersComeFromTheFirstPoolAlone(t *testing.T) {
	s, f := newSession(t, map[string][]any{"open": {noSuchRun, struct{}{}}}, nil)
	s.input.Resume = &executorinput.Resume{OriginRun: "kfp-0", Step: "train"}
	if err := s.open(t.Context()); err != nil || f.opened[1].Resume != nil {
		t.Fatalf("opened with %+v, %v", f.opened, err)
	}
	s.parameters = new(`{"a":1}`)
	f.opened, f.script["open"] = nil, []any{noSuchRun, struct{}{}}
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := (&driverclient.Resume{OriginRun: "kfp-0", Step: "train"}); *f.opened[0].Resume != *want || *f.opened[1].Resume != *want {
		t.Errorf("opened with %+v", f.opened)
	}
	if f.opened[0].Definition != nil || string(f.opened[1].Definition) != "{}" || *f.opened[1].Parameters != `{"a":1}` || f.opened[0].RunID != "kfp-1" {
		t.Errorf("opened with %+v", f.opened)
	}
}
