package launcher

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/lease"
	"github.com/millrace/millrace/internal/supervise"
	"github.com/millrace/millrace/internal/tasksocket"
)

// TestVerdict holds every row of how an attempt can end.
func TestVerdict(t *testing.T) {
	next := &tasksocket.Transition{Next: []string{"work"}, NumSplits: 3}
	good := tasksocket.Outcome{Transition: next, TaskOK: new(true), DataWritten: true, DoneWritten: true}
	raised := tasksocket.Outcome{Transition: &tasksocket.Transition{}, TaskOK: new(false), DataWritten: true, DoneWritten: true}
	sysExit := tasksocket.Outcome{DataWritten: true, DoneWritten: true}
	nothing := tasksocket.Outcome{}
	troubled := func(o tasksocket.Outcome) tasksocket.Outcome {
		o.Trouble = errors.New("put x: 503")
		return o
	}
	exit := func(code int) *supervise.Exit {
		return &supervise.Exit{Code: code, Reason: fmt.Sprintf("exit code %d", code)}
	}
	lost := fmt.Errorf("%w: task-3 was given to worker 7", lease.ErrLost)
	cancelled := fmt.Errorf("%w: somebody asked", lease.ErrCancelled)
	signal := fmt.Errorf("%w: terminated", errSignaled)

	tests := map[string]struct {
		seen seen
		// want is the class, "succeeded", or "none".
		want   string
		reason string
	}{
		"succeeded":               {seen{exit: exit(0), left: good}, "succeeded", ""},
		"raised":                  {seen{exit: exit(1), left: raised}, "user", "exit code 1"},
		"cannot be pickled":       {seen{exit: exit(1), left: nothing}, "user", "exit code 1"},
		"never got to run":        {seen{exit: exit(2), left: nothing}, "user", "exit code 2"},
		"sys.exit(0)":             {seen{exit: exit(0), left: sysExit}, "user", "sys.exit"},
		"sys.exit(1)":             {seen{exit: exit(1), left: sysExit}, "user", "exit code 1"},
		"os._exit(0)":             {seen{exit: exit(0), left: nothing}, "user", "os._exit"},
		"exit 0 though it raised": {seen{exit: exit(0), left: raised}, "user", "sys.exit"},
		"202":                     {seen{exit: exit(202), left: sysExit}, "final", "exit code 202"},
		"killed by a signal":      {seen{exit: &supervise.Exit{Code: 137, Reason: "killed by signal SIGKILL"}}, "user", "SIGKILL"},
		"killed for its memory": {
			seen{exit: &supervise.Exit{Code: 137, Reason: "killed by signal SIGKILL"}, outOfMemory: "killed for its memory: 97 % of 8.0 GiB"}, "user", "97 %",
		},
		"killed for its memory after trouble": {
			seen{exit: exit(137), left: troubled(nothing), outOfMemory: "killed for its memory"}, "user", "memory",
		},
		"a hook raised after DONE":       {seen{exit: exit(1), left: good}, "user", "exit code 1"},
		"timed out":                      {seen{exit: &supervise.Exit{Code: 137, Reason: "killed", TimedOut: true}}, "user", "time"},
		"timed out after DONE":           {seen{exit: &supervise.Exit{Code: 0, TimedOut: true}, left: good}, "user", "time"},
		"succeeded, transition unknown":  {seen{exit: exit(0), left: tasksocket.Outcome{TaskOK: new(true), DoneWritten: true}}, "infrastructure", "where it goes on"},
		"failed after trouble":           {seen{exit: exit(1), left: troubled(nothing)}, "infrastructure", "503"},
		"succeeded in spite of trouble":  {seen{exit: exit(0), left: troubled(good)}, "succeeded", ""},
		"202 after trouble":              {seen{exit: exit(202), left: troubled(sysExit)}, "final", "202"},
		"sys.exit(0) after trouble":      {seen{exit: exit(0), left: troubled(sysExit)}, "user", "sys.exit"},
		"no child":                       {seen{trouble: errors.New("disk full")}, "infrastructure", "disk full"},
		"trouble after the child":        {seen{exit: exit(0), left: good, trouble: errors.New("eio")}, "infrastructure", "eio"},
		"package refused":                {seen{trouble: errors.New("digest"), refused: true}, "final", "digest"},
		"lease lost":                     {seen{exit: exit(143), stopped: lost}, "none", ""},
		"lease lost at the end":          {seen{exit: exit(0), left: good, stopped: lost}, "none", ""},
		"lease lost before the child":    {seen{trouble: errors.New("x"), stopped: lost}, "none", ""},
		"a write was refused":            {seen{exit: exit(1), left: tasksocket.Outcome{Fenced: true}}, "none", ""},
		"cancelled":                      {seen{exit: exit(143), stopped: cancelled}, "cancelled", "somebody asked"},
		"cancelled, but it succeeded":    {seen{exit: exit(0), left: good, stopped: cancelled}, "succeeded", ""},
		"cancelled before the child":     {seen{trouble: errors.New("x"), stopped: cancelled}, "cancelled", "somebody asked"},
		"pod deleted":                    {seen{exit: exit(143), stopped: signal}, "none", ""},
		"pod deleted, but it succeeded":  {seen{exit: exit(0), left: good, stopped: signal}, "succeeded", ""},
		"parameters":                     {seen{parameters: true, exit: exit(0), left: sysExit}, "succeeded", ""},
		"parameters refused by Metaflow": {seen{parameters: true, exit: exit(1)}, "user", "exit code 1"},
		"parameters not stored":          {seen{parameters: true, exit: exit(0)}, "user", "did not finish"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := verdict(tt.seen)
			switch {
			case tt.want == "none":
				if err == nil {
					t.Fatalf("got %+v, want no outcome", got)
				}
				return
			case err != nil:
				t.Fatal(err)
			case tt.want == "succeeded":
				want := &driverclient.Transition{}
				if !tt.seen.parameters {
					want = &driverclient.Transition{Next: []string{"work"}, NumSplits: 3}
				}
				if diff := cmp.Diff(driverclient.Outcome{Succeeded: want}, got); diff != "" {
					t.Error(diff)
				}
				return
			case got.Failed == nil:
				t.Fatalf("succeeded, want %s", tt.want)
			}
			if string(got.Failed.Class) != tt.want || !strings.Contains(got.Failed.Reason, tt.reason) {
				t.Errorf("got %s: %q, want %s: %q", got.Failed.Class, got.Failed.Reason, tt.want, tt.reason)
			}
			if got.Failed.OutOfMemory != (tt.seen.outOfMemory != "") {
				t.Errorf("out of memory: %t", got.Failed.OutOfMemory)
			}
			if (got.Failed.ExitCode == nil) != (tt.seen.exit == nil) {
				t.Errorf("exit code %v of %+v", got.Failed.ExitCode, tt.seen.exit)
			}
		})
	}
}

func TestAdoption(t *testing.T) {
	next := &tasksocket.Transition{Next: []string{"end"}}
	tests := map[string]struct {
		parameters bool
		left       tasksocket.Outcome
		want       string
	}{
		"not done":                 {left: tasksocket.Outcome{DataWritten: true, TaskOK: new(true), Transition: next}, want: "none"},
		"succeeded":                {left: tasksocket.Outcome{DoneWritten: true, TaskOK: new(true), Transition: next}, want: "succeeded"},
		"failed":                   {left: tasksocket.Outcome{DoneWritten: true, TaskOK: new(false), Transition: next}, want: "user"},
		"sys.exit":                 {left: tasksocket.Outcome{DoneWritten: true}, want: "user"},
		"transition unknown":       {left: tasksocket.Outcome{DoneWritten: true, TaskOK: new(true)}, want: "infrastructure"},
		"parameters":               {parameters: true, left: tasksocket.Outcome{DoneWritten: true}, want: "succeeded"},
		"parameters not there yet": {parameters: true, want: "none"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := adoption(2, tt.parameters, tt.left)
			is := "none"
			switch {
			case ok && got.Succeeded != nil:
				is = "succeeded"
			case ok:
				is = string(got.Failed.Class)
			}
			if is != tt.want || got.Attempt != 2 || !got.Adopted {
				t.Errorf("got %s: %+v, want %s", is, got, tt.want)
			}
		})
	}
}
