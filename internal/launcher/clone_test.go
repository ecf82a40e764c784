package launcher

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/codepackage"
	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/objstore"
)

const (
	cloneSucceeded = `{"version":1,"attempt":0,"task_ok":true,"next":["fan"],"num_splits":3,"gang_size":0}`
	cloneFailed    = `{"version":1,"attempt":0,"task_ok":false,"next":[],"num_splits":0,"gang_size":0}`
)

// whole are the files of an origin's attempt 0.
func whole(transition string) map[string]string {
	files := map[string]string{"0.attempt.json": "{}", "0.data.json": fmt.Sprintf(leftData, 0), "0.DONE.lock": `""`}
	if transition != "" {
		files["0.millrace.json"] = transition
	}
	return files
}

func (l *left) origin(ref driverclient.TaskRef, files map[string]string) {
	l.t.Helper()
	for name, text := range files {
		key := "F/kfp-0/" + ref.Step + "/" + ref.TaskID + "/" + name
		if err := l.pod.store.Put(l.t.Context(), key, objstore.Bytes([]byte(text)), objstore.PutOptions{}); err != nil {
			l.t.Fatal(err)
		}
	}
}

// TestClone: what the origin run did is taken over as it is, with the rows
// that Metaflow's own resume posts.
func TestClone(t *testing.T) {
	work := driverclient.TaskRef{Step: "work", TaskID: "task-0"}
	parameters := driverclient.TaskRef{Step: "_parameters", TaskID: "params"}
	const came = "origin-task-id=%s, origin-run-id=kfp-0, "
	tests := map[string]struct {
		ref     driverclient.TaskRef
		attempt int
		files   map[string]string
		outcome string
		rows    string
	}{
		"task": {
			work, 2, whole(cloneSucceeded), "succeeded [fan]",
			fmt.Sprintf(leftRegistered+came, 2, "task-0") + "attempt_ok=True, attempt-done=2, attempt=2",
		},
		"parameters": {
			parameters, 0, whole(""), "succeeded []",
			fmt.Sprintf(leftRegistered+came, 0, "params") + "start_step=start, end_step=end, attempt-done=0, attempt=0",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newLeft(t, tt.ref, nil)
			s.origin(tt.ref, tt.files)
			s.driver.script = map[string][]any{"start": {driverclient.Attempt{Number: tt.attempt}}}
			task := &driverclient.Task{Ref: tt.ref, Token: 7, Parameters: tt.ref == parameters, CloneFrom: "kfp-0"}
			if _, err := s.pod.attempt(t.Context(), task, time.Now()); err != nil {
				t.Fatal(err)
			}
			s.driver.wantCalls(t, "start", "report")
			if got := s.outcome(tt.attempt); got != tt.outcome || !s.driver.reported[0].Cloned {
				t.Errorf("reported %s, want %s", got, tt.outcome)
			}
			if got := s.rows("metadata", "field_name", "=", "value"); got != tt.rows {
				t.Errorf("metadata %s\nwant %s", got, tt.rows)
			}
			if got := s.rows("artifacts", "name", " ", "content_type", " ", "sha"); got != leftArtifacts {
				t.Errorf("artifacts %s\nwant %s", got, leftArtifacts)
			}

			// Had it died before its report, the next lessee would say the same.
			adopting := &driverclient.Task{Ref: tt.ref, Token: 8, Parameters: task.Parameters, CloneFrom: "kfp-0", AdoptAttempt: &tt.attempt}
			if _, err := s.pod.attempt(t.Context(), adopting, time.Now()); err != nil {
				t.Fatal(err)
			}
			if o := s.driver.reported[1]; o.Succeeded == nil || !o.Adopted || !o.Cloned {
				t.Errorf("adopted %+v", o)
			}
		})
	}
}

// TestNothingToClone: without a success in the origin run the task runs.
func TestNothingToClone(t *testing.T) {
	ref := driverclient.TaskRef{Step: "work", TaskID: "task-n0"}
	other := driverclient.TaskRef{Step: "work", TaskID: "task-n1"}
	gang := &driverclient.Gang{Size: 2, Members: []string{"task-n0", "task-n1"}}
	for name, tt := range map[string]struct {
		from  string
		gang  *driverclient.Gang
		files map[driverclient.TaskRef]map[string]string
		want  bool
	}{
		"succeeded":            {"kfp-0", nil, map[driverclient.TaskRef]map[string]string{ref: whole(cloneSucceeded)}, true},
		"not asked for":        {"", nil, map[driverclient.TaskRef]map[string]string{ref: whole(cloneSucceeded)}, false},
		"never ran":            {"kfp-0", nil, nil, false},
		"failed":               {"kfp-0", nil, map[driverclient.TaskRef]map[string]string{ref: whole(cloneFailed)}, false},
		"torn":                 {"kfp-0", nil, map[driverclient.TaskRef]map[string]string{ref: whole(`{"version"`)}, false},
		"whole gang":           {"kfp-0", gang, map[driverclient.TaskRef]map[string]string{ref: whole(cloneSucceeded), other: whole(cloneSucceeded)}, true},
		"one of a gang failed": {"kfp-0", gang, map[driverclient.TaskRef]map[string]string{ref: whole(cloneSucceeded), other: whole(cloneFailed)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newLeft(t, ref, nil)
			for ref, files := range tt.files {
				s.origin(ref, files)
			}
			a := &attempt{pod: s.pod, task: &driverclient.Task{Ref: ref, CloneFrom: tt.from, Gang: tt.gang}, logger: s.pod.logger}
			origin, err := a.origin(t.Context())
			if err != nil || (origin != nil) != tt.want {
				t.Errorf("%+v, %v", origin, err)
			}
		})
	}
}

// TestNoParametersToClone: the parameters are those of the origin run, or the
// run has none; another attempt would not find them either.
func TestNoParametersToClone(t *testing.T) {
	ref := driverclient.TaskRef{Step: "_parameters", TaskID: "params"}
	s := newLeft(t, ref, nil)
	s.pod.pkg = &codepackage.Package{Dir: t.TempDir()}
	s.driver.script = map[string][]any{"start": {driverclient.Attempt{}}}
	if _, err := s.pod.attempt(t.Context(), &driverclient.Task{Ref: ref, Token: 7, Parameters: true, CloneFrom: "kfp-0"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	o := s.driver.reported[0]
	if o.Failed == nil || o.Failed.Class != driverclient.Final || !strings.Contains(o.Failed.Reason, "F/kfp-0/_parameters/params") {
		t.Errorf("reported %+v", o)
	}
}

// TestCloneWaits: while the metadata service is away the attempt is
// infrastructure's failure; the next one takes over what there is.
func TestCloneWaits(t *testing.T) {
	ref := driverclient.TaskRef{Step: "work", TaskID: "task-0"}
	s := newLeft(t, ref, nil)
	s.origin(ref, whole(cloneSucceeded))
	s.goesAway()
	if _, err := s.pod.attempt(t.Context(), &driverclient.Task{Ref: ref, Token: 7, CloneFrom: "kfp-0"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	o := s.driver.reported[0]
	if o.Cloned || o.Failed == nil || o.Failed.Class != driverclient.Infrastructure || !strings.Contains(o.Failed.Reason, "metadata service") {
		t.Errorf("reported %+v", o)
	}
}

// TestCloneOfALostLease writes nothing.
func TestCloneOfALostLease(t *testing.T) {
	ref := driverclient.TaskRef{Step: "work", TaskID: "task-0"}
	s := newLeft(t, ref, nil)
	s.origin(ref, whole(cloneSucceeded))
	s.driver.script = map[string][]any{"start": {refused(driverclient.ErrStale)}}
	if _, err := s.pod.attempt(t.Context(), &driverclient.Task{Ref: ref, Token: 7, CloneFrom: "kfp-0"}, time.Now()); err == nil {
		t.Error("no error")
	}
	if _, err := s.pod.store.Stat(t.Context(), "F/kfp-1/work/task-0/0.attempt.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}
