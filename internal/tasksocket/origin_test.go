package tasksocket

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/objstore"
)

const (
	oneArtifact = `{"datastore":"s3","attempt":%d,"python_version":"3 <&>","objects":{"_task_ok":"` + trueKey + `"},` +
		`"info":{"_task_ok":{"size":4,"type":"<class 'bool'>","encoding":"pickle-v4"}}}`
	oneTransition = `{"version":1,"attempt":%d,"task_ok":%t,"next":["join"],"num_splits":0,"gang_size":0}`
)

// attemptAt are the files of a whole attempt, its success as told.
func attemptAt(path string, number int, ok bool) map[string]string {
	return map[string]string{
		fmt.Sprintf("%s/%d.attempt.json", path, number):  `{"time": 1.5}`,
		fmt.Sprintf("%s/%d.data.json", path, number):     fmt.Sprintf(oneArtifact, number),
		fmt.Sprintf("%s/%d.millrace.json", path, number): fmt.Sprintf(oneTransition, number, ok),
		fmt.Sprintf("%s/%d.DONE.lock", path, number):     `""`,
	}
}

func TestFindOrigin(t *testing.T) {
	const folder = "F/kfp-0/train/"
	with := func(sets ...map[string]string) map[string]string {
		all := map[string]string{}
		for _, set := range sets {
			for name, text := range set {
				all[name] = text
			}
		}
		return all
	}
	without := func(set map[string]string, name string) map[string]string {
		delete(set, name)
		return set
	}
	good := func(task string, number int) map[string]string { return attemptAt(folder+task, number, true) }
	begun := map[string]string{folder + "t-1/1.attempt.json": "{}"}
	for name, tt := range map[string]struct {
		files map[string]string
		task  string // default t-1
		want  string
	}{
		"never ran":             {map[string]string{}, "", "none"},
		"succeeded":             {good("t-1", 0), "", "t-1 0"},
		"succeeded at last":     {with(attemptAt(folder+"t-1", 0, false), good("t-1", 1)), "", "t-1 1"},
		"failed":                {attemptAt(folder+"t-1", 0, false), "", "none"},
		"a later one had begun": {with(good("t-1", 0), begun), "", "none"},
		"another task's":        {with(good("t-10", 0), good("t-1-0", 0), good("t", 0)), "", "none"},
		"went on elsewhere":     {with(attemptAt(folder+"t-1", 5, false), good("t-1-i1", 0)), "", "t-1-i1 0"},
		"and on":                {with(good("t-1-i2", 3), attemptAt(folder+"t-1-i1", 5, false), good("t-1-i10", 1)), "", "t-1-i10 1"},
		"but failed":            {with(good("t-1", 0), attemptAt(folder+"t-1-i1", 0, false)), "", "none"},
		"from a further id":     {good("t-1", 0), "t-1-i1", "t-1 0"},
		"not done":              {without(good("t-1", 0), folder+"t-1/0.DONE.lock"), "", "none"},
		"no data":               {without(good("t-1", 0), folder+"t-1/0.data.json"), "", "none"},
		"no transition":         {without(good("t-1", 0), folder+"t-1/0.millrace.json"), "", "none"},
		"torn":                  {with(good("t-1", 0), map[string]string{folder + "t-1/0.data.json": `{"attempt":0`}), "", "not what Metaflow writes"},
		"torn transition":       {with(good("t-1", 0), map[string]string{folder + "t-1/0.millrace.json": `{}`}), "", "not what a launcher writes"},
		"beside the attempts":   {with(good("t-1", 0), map[string]string{folder + "t-1/local_metadata": "x", folder + "t-1/x/9.y": "x"}), "", "t-1 0"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, nil)
			for key, text := range tt.files {
				f.put(key, text)
			}
			scope := Scope{Flow: "F", Run: "kfp-0", Step: "train", Task: "t-1"}
			if tt.task != "" {
				scope.Task = tt.task
			}
			origin, err := FindOrigin(t.Context(), f.store, scope)
			got := "none"
			if err != nil {
				got = err.Error()
				if _, ok := errors.AsType[*MalformedError](err); !ok {
					t.Errorf("%T", err)
				}
			} else if origin != nil {
				got = fmt.Sprint(origin.Scope.Task, " ", origin.Scope.Attempt)
				if want := (Transition{Next: []string{"join"}}); !cmp.Equal(origin.Transition, want) {
					t.Errorf("transition %+v", origin.Transition)
				}
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestCopyTo: the copy is in order, refers to the same content, and can itself
// be read, adopted and taken over.
func TestCopyTo(t *testing.T) {
	f := serve(t, nil)
	for key, text := range attemptAt("F/kfp-0/train/t-0", 2, true) {
		f.put(key, text)
	}
	from := scope1
	from.Run = "kfp-0"
	origin, err := FindOrigin(t.Context(), f.store, from)
	if err != nil || origin == nil {
		t.Fatalf("%+v, %v", origin, err)
	}
	before := len(f.store.noted())
	if err := origin.CopyTo(t.Context(), f.store, scope1, f.guard.AwaitWritable); err != nil {
		t.Fatal(err)
	}
	want := []string{"put " + own + "1.attempt.json", "put " + own + "1.data.json", "put " + own + "1.millrace.json", "put " + own + "1.DONE.lock"}
	if diff := cmp.Diff(want, f.store.noted()[before:]); diff != "" {
		t.Error(diff)
	}
	if got := f.object(own + "1.attempt.json"); !regexp.MustCompile(`^{"time":1[0-9]{9}\.[0-9]+}$`).MatchString(got) {
		t.Errorf("begun %s", got)
	}
	if got := f.object(own + "1.data.json"); !strings.Contains(got, `"attempt":1`) || !strings.Contains(got, `"<class 'bool'>"`) || !strings.Contains(got, `"3 <&>"`) {
		t.Errorf("data %s", got)
	}
	left, err := ReadOutcome(t.Context(), f.store, scope1)
	if err != nil || !left.DoneWritten || !*left.TaskOK || !cmp.Equal(left.ClonedFrom, &ClonedFrom{Run: "kfp-0", Task: "t-0", Attempt: 2}) {
		t.Errorf("left %+v, %v", left, err)
	}
	if found, err := ReadArtifacts(t.Context(), f.store, scope1); err != nil || len(found) != 1 || found[0].SHA != trueKey {
		t.Errorf("artifacts %v, %v", found, err)
	}
	if again, err := FindOrigin(t.Context(), f.store, scope1); err != nil || again == nil || !cmp.Equal(again.Transition, origin.Transition) {
		t.Errorf("taken over again: %+v, %v", again, err)
	}
}

// TestCopyParameters: what the _parameters task holds already stays.
func TestCopyParameters(t *testing.T) {
	f := serve(t, nil)
	to := Scope{Flow: "F", Run: "kfp-1", Step: "_parameters", Task: "params", Parameters: true}
	from := to
	from.Run = "kfp-0"
	f.put(from.file(dataFile), fmt.Sprintf(oneArtifact, 0))
	if origin, err := FindOrigin(t.Context(), f.store, from); err != nil || origin != nil {
		t.Errorf("without DONE.lock: %+v, %v", origin, err)
	}
	f.put(from.file(doneFile), `""`)
	f.put(to.file(dataFile), "there already")
	origin, err := FindOrigin(t.Context(), f.store, from)
	if err != nil || origin == nil {
		t.Fatalf("%+v, %v", origin, err)
	}
	if err := origin.CopyTo(t.Context(), f.store, to, f.guard.AwaitWritable); err != nil {
		t.Fatal(err)
	}
	if got := f.object(to.file(dataFile)); got != "there already" {
		t.Errorf("data %s", got)
	}
	if left, err := ReadOutcome(t.Context(), f.store, to); err != nil || !left.DoneWritten || left.ClonedFrom == nil {
		t.Errorf("left %+v, %v", left, err)
	}
}

func TestCopyIsFenced(t *testing.T) {
	f := serve(t, nil)
	for key, text := range attemptAt("F/kfp-0/train/t-0", 0, true) {
		f.put(key, text)
	}
	from := scope1
	from.Run = "kfp-0"
	origin, err := FindOrigin(t.Context(), f.store, from)
	if err != nil || origin == nil {
		t.Fatalf("%+v, %v", origin, err)
	}
	f.guard.lose()
	if err := origin.CopyTo(t.Context(), f.store, scope1, f.guard.AwaitWritable); !errors.Is(err, errLost) {
		t.Errorf("%v", err)
	}
	if _, _, err := objstore.ReadAll(t.Context(), f.store, own+"1.attempt.json", 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}
