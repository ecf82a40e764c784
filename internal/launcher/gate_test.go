package launcher

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/executorinput"
)

func TestGate(t *testing.T) {
	tests := map[string]struct {
		script map[string][]any
		calls  []string
		exit   int
		output string
	}{
		"drained": {
			map[string][]any{"gate": {wait, wait, drained}}, []string{"open", "gate", "gate", "gate"}, 0, "[0,1,2]",
		},
		"the run failed": {map[string][]any{"gate": {wait, ended}}, []string{"open", "gate", "gate"}, 1, ""},
		"driver away": {
			map[string][]any{"gate": {noDriver, drained}}, []string{"open", "gate", "gate"}, 0, "[0,1,2]",
		},
		"driver came back without its state": {
			map[string][]any{"gate": {noSuchRun, drained}}, []string{"open", "gate", "open", "gate"}, 0, "[0,1,2]",
		},
		"denied": {map[string][]any{"gate": {refused(driverclient.ErrDenied)}}, []string{"open", "gate"}, 1, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "workers")
			synctest.Test(t, func(t *testing.T) {
				s, f := newSession(t, tt.script, map[string]string{"workers_next": file})
				if got := exitCode(s.gate(t.Context(), "work")); got != tt.exit {
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

func TestVerify(t *testing.T) {
	for state, exit := range map[driverclient.RunState]int{
		driverclient.RunSucceeded: 0, driverclient.RunRunning: 1, driverclient.RunFailed: 1, driverclient.RunCancelled: 1, driverclient.RunUnknown: 1,
	} {
		t.Run(string(state), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := newSession(t, map[string][]any{"verify": {noDriver, state}}, nil)
				err := s.verify(t.Context())
				if got := exitCode(err); got != exit {
					t.Errorf("exit %d, want %d: %v", got, exit, err)
				}
				f.wantCalls(t, "open", "verify", "verify")
			})
		})
	}
}

func TestFinish(t *testing.T) {
	s, f := newSession(t, map[string][]any{"finish FAILED: boom": {driverclient.RunFailed}}, nil)
	if err := s.finish(t.Context()); err == nil {
		t.Error("finish without a status succeeded")
	}
	s.input.Status = &executorinput.Status{State: "FAILED"}
	s.input.Status.Error.Message = ": boom"
	if err := s.finish(t.Context()); err != nil {
		t.Error(err)
	}
	f.wantCalls(t, "open", "finish FAILED: boom")
}

func TestExitCode(t *testing.T) {
	for want, err := range map[int]error{
		exitDone: nil, exitFailed: runFailed("x"), exitSignaled: errors.Join(errSignaled, errors.New("x")),
	} {
		if got := exitCode(err); got != want {
			t.Errorf("exitCode(%v) = %d, want %d", err, got, want)
		}
	}
	if exitCode(errors.New("trouble")) != exitFailed {
		t.Error("trouble of our own must make KFP start the pod again")
	}
}
