package launcher

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/metadata"
	"github.com/millrace/millrace/internal/metadataservice"
	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

const (
	leftData = `{"datastore":"s3","version":"1.0","attempt":%d,"objects":{"_task_ok":"868436778cb011a1c6230bc12534683ab0b7f1c3",` +
		`"name":"95cb0b8ac6b4b0133518757f75236b8b0777a583"},"info":{"_task_ok":{"encoding":"pickle-v4"},"name":{"encoding":"own-v1"}}}`
	leftFailed     = `{"version":1,"attempt":1,"task_ok":false,"next":[],"num_splits":0,"gang_size":0}`
	leftSucceeded  = `{"version":1,"attempt":1,"task_ok":true,"next":["end"],"num_splits":0,"gang_size":0}`
	leftArtifacts  = "_task_ok pickle-v4 868436778cb011a1c6230bc12534683ab0b7f1c3, name own-v1 95cb0b8ac6b4b0133518757f75236b8b0777a583"
	leftRegistered = "attempt=%d, ds-type=s3, ds-root=s3://b/p, "
)

// TestAdoptedRecord: what a worker that died after DONE.lock had not posted is
// posted by the one that reports its attempt.
func TestAdoptedRecord(t *testing.T) {
	work := driverclient.TaskRef{Step: "work", TaskID: "task-0"}
	parameters := driverclient.TaskRef{Step: "_parameters", TaskID: "params"}
	registered := fmt.Sprintf(leftRegistered, 1)
	tests := []struct {
		name      string
		ref       driverclient.TaskRef
		attempt   int
		files     map[string]string
		outcome   string
		rows      string
		artifacts string
	}{
		{
			"succeeded", work, 1,
			map[string]string{"1.data.json": fmt.Sprintf(leftData, 1), "1.millrace.json": leftSucceeded, "1.DONE.lock": `""`},
			"succeeded [end]", registered + "attempt_ok=True, attempt-done=1, attempt=1", leftArtifacts,
		},
		{
			"failed", work, 1,
			map[string]string{"1.data.json": fmt.Sprintf(leftData, 1), "1.millrace.json": leftFailed, "1.DONE.lock": `""`},
			"failed user: the step failed", registered + "attempt_ok=False, attempt-done=1, millrace-failure=the step failed; its worker ended before it could say how, attempt=1",
			leftArtifacts,
		},
		{
			"parameters", parameters, 0,
			map[string]string{"0.data.json": fmt.Sprintf(leftData, 0), "0.DONE.lock": `""`},
			"succeeded []", fmt.Sprintf(leftRegistered, 0) + "start_step=start, end_step=end, attempt-done=0, attempt=0", leftArtifacts,
		},
		{
			"data of another attempt", work, 1,
			map[string]string{"1.data.json": fmt.Sprintf(leftData, 0), "1.millrace.json": leftSucceeded, "1.DONE.lock": `""`},
			"failed infrastructure: the attempt had ended, but what it left cannot be adopted", registered + "millrace-failure=", "",
		},
		{
			"data is missing", work, 1,
			map[string]string{"1.millrace.json": leftSucceeded, "1.DONE.lock": `""`},
			"failed infrastructure: the attempt had ended, but what it left cannot be adopted", registered + "millrace-failure=", "",
		},
		{
			"transition is torn", work, 1,
			map[string]string{"1.data.json": fmt.Sprintf(leftData, 1), "1.millrace.json": `{"version"`, "1.DONE.lock": `""`},
			"failed infrastructure: the attempt had ended, but what it left cannot be adopted", registered + "millrace-failure=", "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newLeft(t, test.ref, test.files)
			task := &driverclient.Task{Ref: test.ref, Token: 7, Parameters: test.ref == parameters, AdoptAttempt: &test.attempt}
			if _, err := s.pod.attempt(t.Context(), task, time.Now()); err != nil {
				t.Fatal(err)
			}
			if got := s.outcome(test.attempt); !strings.HasPrefix(got, test.outcome) {
				t.Errorf("reported %s, want %s", got, test.outcome)
			}
			if got := s.rows("metadata", "field_name", "=", "value"); !strings.HasPrefix(got, test.rows) {
				t.Errorf("metadata %s\nwant %s", got, test.rows)
			}
			if got := s.rows("artifacts", "name", " ", "content_type", " ", "sha"); got != test.artifacts {
				t.Errorf("artifacts %s\nwant %s", got, test.artifacts)
			}
		})
	}
}

// TestParametersThatAreThere: they are not written again, and their record is
// completed.
func TestParametersThatAreThere(t *testing.T) {
	ref := driverclient.TaskRef{Step: "_parameters", TaskID: "params"}
	s := newLeft(t, ref, map[string]string{"0.data.json": fmt.Sprintf(leftData, 0), "0.DONE.lock": `""`})
	a := &attempt{pod: s.pod, task: &driverclient.Task{Ref: ref, Parameters: true}, logger: s.pod.logger}
	a.keeper = a.keep(t.Context(), time.Now())
	defer a.keeper.Stop()
	if err := a.announce(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	seen := seen{parameters: true}
	a.attend(t.Context(), &seen)
	if o, err := verdict(seen); err != nil || o.Succeeded == nil {
		t.Errorf("%+v, %v", o, err)
	}
	if err := a.meta.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if got, want := s.rows("metadata", "field_name", "=", "value"), "start_step=start, end_step=end, attempt-done=0, attempt=0"; !strings.HasSuffix(got, want) {
		t.Errorf("metadata %s", got)
	}
	if got := s.rows("artifacts", "name", " ", "content_type", " ", "sha"); got != leftArtifacts {
		t.Errorf("artifacts %s", got)
	}
}

// TestNothingIsAdopted: without DONE.lock there is no outcome, and the attempt
// is not registered anew.
func TestNothingIsAdopted(t *testing.T) {
	ref := driverclient.TaskRef{Step: "work", TaskID: "task-0"}
	s := newLeft(t, ref, map[string]string{"1.data.json": fmt.Sprintf(leftData, 1), "1.millrace.json": leftSucceeded})
	a := &attempt{pod: s.pod, task: &driverclient.Task{Ref: ref, AdoptAttempt: new(1)}, logger: s.pod.logger}
	if o, ok, err := a.adopt(t.Context()); ok || err != nil || a.meta != nil {
		t.Errorf("%+v, %v, %v", o, ok, err)
	}
}

// TestAdoptionWaits: while the metadata service is away the task is given
// back, not failed.
func TestAdoptionWaits(t *testing.T) {
	ref := driverclient.TaskRef{Step: "work", TaskID: "task-0"}
	s := newLeft(t, ref, map[string]string{"1.data.json": fmt.Sprintf(leftData, 1), "1.millrace.json": leftSucceeded, "1.DONE.lock": `""`})
	s.goesAway()
	if _, err := s.pod.attempt(t.Context(), &driverclient.Task{Ref: ref, Token: 7, AdoptAttempt: new(1)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.driver.wantCalls(t, "release")
}

// left is a worker over a store that holds what another left behind.
type left struct {
	t       *testing.T
	pod     *pod
	driver  *fakeDriver
	service *httptest.Server
	path    string // of the task, at the service
}

func newLeft(t *testing.T, ref driverclient.TaskRef, files map[string]string) *left {
	t.Helper()
	records, err := metadataservice.Open(filepath.Join(t.TempDir(), "metadata.db"))
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(records.Handler(slog.New(slog.DiscardHandler)))
	t.Cleanup(func() { service.Close(); records.Close() })
	store := mem.New()
	for name, text := range files {
		if err := store.Put(t.Context(), "F/kfp-1/"+ref.Step+"/"+ref.TaskID+"/"+name, objstore.Bytes([]byte(text)), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	session, driver := newSession(t, nil, nil)
	w := &worker{
		session: session, terms: driverclient.Terms{TTL: time.Minute, RenewEvery: 20 * time.Second, OrphanGrace: time.Minute},
		flow: &flowdef.Definition{Flow: "F", StartStep: "start", EndStep: "end", Datastore: flowdef.Datastore{Type: "s3", Root: "s3://b/p"}},
	}
	l := &left{
		t: t, pod: &pod{worker: w, store: store}, driver: driver, service: service,
		path: service.URL + "/flows/F/runs/kfp-1/steps/" + ref.Step + "/tasks/" + ref.TaskID,
	}
	l.patience(time.Minute)
	return l
}

// patience is for how long the worker waits for the metadata service.
func (l *left) patience(budget time.Duration) {
	l.t.Helper()
	client, err := metadata.New(metadata.Config{URL: l.service.URL, Budget: budget})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(client.Close)
	l.pod.metadata = client
}

// goesAway takes the metadata service away for good.
func (l *left) goesAway() {
	l.t.Helper()
	l.service.Close()
	l.patience(50 * time.Millisecond)
}

// outcome is the one that was reported, in words.
func (l *left) outcome(attempt int) string {
	l.t.Helper()
	if len(l.driver.reported) != 1 {
		l.t.Fatalf("reported %+v", l.driver.reported)
	}
	o := l.driver.reported[0]
	if o.Adopted == o.Cloned || o.Attempt != attempt {
		l.t.Errorf("reported %+v", o)
	}
	if o.Failed != nil {
		return fmt.Sprintf("failed %s: %s", o.Failed.Class, o.Failed.Reason)
	}
	return fmt.Sprintf("succeeded %v", o.Succeeded.Next)
}

// rows are those of the task, oldest first, of each the fields that are named;
// what is no field stands as it is.
func (l *left) rows(of string, fields ...string) string {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, l.path+"/"+of, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := l.service.Client().Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(body, &rows); err != nil {
		l.t.Fatalf("%s: %v", body, err)
	}
	var out []string
	for _, row := range rows {
		var text strings.Builder
		for _, field := range fields {
			if value, found := row[field]; found {
				field = fmt.Sprint(value)
			}
			text.WriteString(field)
		}
		out = append(out, text.String())
	}
	if of == "metadata" { // newest first
		slices.Reverse(out)
	}
	return strings.Join(out, ", ")
}
