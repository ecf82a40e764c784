package tasksocket

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
)

const own = "F/kfp-1/train/t-0/"

func transitionOf(attempt int, ok bool) fields {
	return fields{"op": "transition", "attempt": attempt, "task_ok": ok, "next": []string{"join"}, "num_splits": 3, "gang_size": 0}
}

const goodData = `{"objects":{"_task_ok":"` + trueKey + `"}}`

func TestCommitIsOrdered(t *testing.T) {
	f := serve(t, nil)
	c := f.connect()
	c.ok(transitionOf(1, true))
	// The child names them in any order.
	c.ok(saveOf(true, inline(own+"1.DONE.lock", `""`), inline(own+"1.data.json", goodData), inline(own+"1.task_end", "{}"), inline(own+"1.other", "x")))
	puts := f.store.noted()
	if n := len(puts); n != 5 || !slices.Equal(puts[n-3:], []string{"put " + own + "1.data.json", "put " + own + "1.millrace.json", "put " + own + "1.DONE.lock"}) {
		t.Errorf("written: %v", puts)
	}
	want := `{"version":1,"attempt":1,"task_ok":true,"next":["join"],"num_splits":3,"gang_size":0}`
	if got := f.object(own + "1.millrace.json"); got != want {
		t.Errorf("the transition is kept as %s, want %s", got, want)
	}
	seen := f.outcome()
	read, err := ReadOutcome(t.Context(), f.store, scope1)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Outcome{"seen": seen, "read": read} {
		if !o.DataWritten || !o.DoneWritten || o.TaskOK == nil || !*o.TaskOK || o.Trouble != nil || o.Fenced {
			t.Errorf("%s: %+v", name, o)
		}
		if want := (&Transition{Next: []string{"join"}, NumSplits: 3}); !reflect.DeepEqual(o.Transition, want) {
			t.Errorf("%s: transition %+v, want %+v", name, o.Transition, want)
		}
	}
}

// What fails before DONE.lock leaves no DONE.lock.
func TestNoDoneAfterAFailure(t *testing.T) {
	for _, file := range []string{"1.task_end", "1.data.json", "1.millrace.json", "1.DONE.lock"} {
		t.Run(file, func(t *testing.T) {
			f := serve(t, nil)
			f.store.fail = func(call string) error {
				if call == "put "+own+file {
					return fmt.Errorf("put %s: 503: %w", file, objstore.ErrTransient)
				}
				return nil
			}
			c := f.connect()
			c.ok(transitionOf(1, true))
			c.fails("transient", saveOf(true, inline(own+"1.data.json", goodData), inline(own+"1.DONE.lock", `""`), inline(own+"1.task_end", "{}")))
			for _, call := range f.store.noted() {
				if call == "put "+own+"1.DONE.lock" && file != "1.DONE.lock" {
					t.Errorf("DONE.lock was written although %s failed", file)
				}
			}
			o := f.outcome()
			if o.DoneWritten || !errors.Is(o.Trouble, objstore.ErrTransient) {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestTaskOK(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name       string
		told       *bool
		data       string
		want       *bool
		transition bool
	}{
		{"the hook says yes", &yes, goodData, &yes, true},
		{"the hook says no", &no, `{"objects":{}}`, &no, true},
		{"the hook outweighs the artifact", &no, goodData, &no, true},
		{"sys.exit", nil, `{"objects":{"_task_ok":"dbc1aaddc8b7343d6d33b34edcf608b8f8801918"}}`, nil, false},
		{"init has no hook", nil, goodData, &yes, false},
		{"no artifacts", nil, `{}`, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := serve(t, nil)
			c := f.connect()
			if test.told != nil {
				c.ok(transitionOf(1, *test.told))
			}
			c.ok(saveOf(true, inline(own+"1.data.json", test.data), inline(own+"1.DONE.lock", `""`)))
			seen := f.outcome()
			read, err := ReadOutcome(t.Context(), f.store, scope1)
			if err != nil {
				t.Fatal(err)
			}
			for name, o := range map[string]Outcome{"seen": seen, "read": read} {
				if !reflect.DeepEqual(o.TaskOK, test.want) || (o.Transition != nil) != test.transition || !o.DoneWritten || !o.DataWritten {
					t.Errorf("%s: %+v", name, o)
				}
			}
		})
	}
}

func TestLostLease(t *testing.T) {
	f := serve(t, func(c *Config) {
		c.Metadata = metadataFunc(func(method, path string, _ []byte) (int, []byte, string, error) {
			t.Errorf("%s %s reached the service", method, path)
			return 0, nil, "", errLost
		})
	})
	c := f.connect()
	c.ok(saveOf(true, inline(own+"1.attempt.json", "{}")))
	f.guard.lose()
	content := "artifact"
	for _, item := range []fields{
		inline(own+"1.data.json", goodData), inline(own+"1.DONE.lock", `""`), inline(contentKey(content), content), inline("F/kfp-1.card", "x"),
	} {
		if m := c.fails("fenced", saveOf(true, item)); !strings.Contains(m, errLost.Error()) {
			t.Errorf("%v: %s", item["path"], m)
		}
	}
	c.fails("fenced", fields{"op": "metadata", "method": "POST", "path": "/flows/F", "body": fields{}})
	// Reading goes on.
	c.ok(on("load", fields{"paths": []string{own + "1.attempt.json"}}))
	o := f.outcome()
	if !o.Fenced || o.Trouble != nil || o.DataWritten || o.DoneWritten {
		t.Errorf("%+v", o)
	}
	for key := range f.store.Store.List(t.Context(), "") {
		if key.Key != own+"1.attempt.json" {
			t.Errorf("%s was written without a lease", key.Key)
		}
	}
}

func TestMayWrite(t *testing.T) {
	tests := []struct {
		path string
		want string
	}{
		{own + "1.attempt.json", ""},
		{own + "local_metadata", ""},
		{own + "_meta/self.json", ""},
		{contentKey("x"), ""},
		{"F/latest_run", ""},
		{"F/kfp-2/train/t-0/0.data.json", ""},
		{"F/runs/kfp-1/tasks/t-0/cards/c.html", ""},
		{"G/kfp-1/train/t-0/0.data.json", ""},
		{own + "0.data.json", "permission"},
		{own + "2.DONE.lock", "permission"},
		{own + "99999999999999999999.data.json", "permission"},
		{"F/kfp-1/train/t-1/1.data.json", "permission"},
		{"F/kfp-1/train/t-00/1.data.json", "permission"},
		{"F/kfp-1/_parameters/p/0.data.json", "permission"},
		{"F/kfp-1/x", "permission"},
		{"F/kfp-1/train/t-0/../t-1/1.data.json", "invalid"},
		{"/etc/passwd", "invalid"},
		{"", "invalid"},
	}
	for _, test := range tests {
		got := ""
		if err := scope1.mayWrite(test.path); err != nil {
			got = class(err)
		}
		if got != test.want {
			t.Errorf("%q: %q, want %q", test.path, got, test.want)
		}
	}
}

// A refused batch changes nothing, and the store is not to blame.
func TestForeignWriteIsRefusedWhole(t *testing.T) {
	f := serve(t, nil)
	c := f.connect()
	c.fails("permission", saveOf(true, inline(own+"1.a", "x"), inline(own+"0.a", "x")))
	c.fails("invalid", transitionOf(0, true))
	if calls := f.store.noted(); len(calls) != 0 {
		t.Errorf("calls: %v", calls)
	}
	if o := f.outcome(); o.Trouble != nil || o.Fenced || o.Transition != nil {
		t.Errorf("%+v", o)
	}
}

func TestParametersAreWrittenOnce(t *testing.T) {
	scope := Scope{Flow: "F", Run: "kfp-1", Step: "_parameters", Task: "p", Parameters: true}
	f := serve(t, func(c *Config) { c.Scope = scope })
	c := f.connect()
	for _, value := range []string{"first", "second"} {
		data := fmt.Sprintf(`{"objects":{"_task_ok":%q},"said":%q}`, trueKey, value)
		c.ok(saveOf(true, inline(scope.file(dataFile), data), inline(scope.file(doneFile), `""`)))
	}
	if got := f.object(scope.file(dataFile)); !strings.Contains(got, "first") {
		t.Errorf("a second init stored %s", got)
	}
	if o := f.outcome(); !o.DoneWritten || o.TaskOK == nil || !*o.TaskOK {
		t.Errorf("%+v", o)
	}
}

func TestReadOutcome(t *testing.T) {
	tests := []struct {
		name    string
		objects map[string]string
		want    string
	}{
		{"nothing", nil, "data false done false ok <nil>"},
		{"begun", map[string]string{"1.attempt.json": "{}"}, "data false done false ok <nil>"},
		{"data only", map[string]string{"1.data.json": goodData}, "data true done false ok <nil>"},
		{"another attempt's", map[string]string{"0.data.json": goodData, "0.DONE.lock": `""`}, "data false done false ok <nil>"},
		{"done alone", map[string]string{"1.DONE.lock": `""`}, "data false done true ok <nil>"},
		{"no transition", map[string]string{"1.data.json": goodData, "1.DONE.lock": `""`}, "data true done true ok true"},
		{"truncated transition", map[string]string{"1.millrace.json": `{"version":1,`, "1.DONE.lock": `""`}, "1.millrace.json is not what a launcher writes"},
		{"newer transition", map[string]string{"1.millrace.json": `{"version":2,"attempt":1}`, "1.DONE.lock": `""`}, "version 2"},
		{"transition of another", map[string]string{"1.millrace.json": `{"version":1,"attempt":0}`, "1.DONE.lock": `""`}, "attempt 0"},
		{"negative splits", map[string]string{"1.millrace.json": `{"version":1,"attempt":1,"num_splits":-1}`, "1.DONE.lock": `""`}, "negative"},
		{"data is no JSON", map[string]string{"1.data.json": `nope`, "1.DONE.lock": `""`}, "1.data.json is not what Metaflow writes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := serve(t, nil)
			for name, content := range test.objects {
				f.put(own+name, content)
			}
			o, err := ReadOutcome(t.Context(), f.store, scope1)
			ok := "<nil>"
			if o.TaskOK != nil {
				ok = fmt.Sprint(*o.TaskOK)
			}
			got := fmt.Sprintf("data %v done %v ok %s", o.DataWritten, o.DoneWritten, ok)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
