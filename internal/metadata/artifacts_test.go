package metadata

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const sha = "95cb0b8ac6b4b0133518757f75236b8b0777a583"

func TestPostArtifacts(t *testing.T) {
	s := newService(t)
	task := s.task(nil)
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The task itself had time for one of them.
	task.must(t, "POST", taskPath+"/artifact", `[{"name":"name","attempt_id":1,"sha":"`+sha+`","content_type":"pickle-v4","type":"metaflow.artifact",`+
		`"ds_type":"s3","location":":root:s3://b/p"}]`, 200)
	if err := task.PostArtifacts(t.Context(), []Artifact{{"b", sha, "own-v1"}, {"name", sha, "own-v1"}}); err != nil {
		t.Fatal(err)
	}
	type row struct {
		Name        string `json:"name"`
		ContentType string `json:"content_type"`
		Type        string `json:"type"`
		SHA         string `json:"sha"`
		DSType      string `json:"ds_type"`
		Location    string `json:"location"`
		Attempt     int    `json:"attempt_id"`
	}
	var rows []row
	s.ask(taskPath+"/artifacts", &rows)
	// Rows of one millisecond come in any order.
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.Name, b.Name) })
	want := "[{b own-v1 metaflow.artifact " + sha + " s3 :root:s3://b/p 1} {name pickle-v4 metaflow.artifact " + sha + " s3 :root:s3://b/p 1}]"
	if got := fmt.Sprint(rows); got != want {
		t.Errorf("artifacts %s\nwant %s", got, want)
	}
}

// TestPostManyArtifacts: no request is larger than the service takes.
func TestPostManyArtifacts(t *testing.T) {
	s := newService(t)
	task := s.task(nil)
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The service tells the latest attempt by this artifact.
	all := []Artifact{{"name", sha, "pickle-v4"}}
	for i := range 1500 {
		all = append(all, Artifact{fmt.Sprintf("%04d%s", i, strings.Repeat("x", 200)), sha, "pickle-v4"})
	}
	if err := task.PostArtifacts(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	var rows []any
	s.ask(taskPath+"/artifacts", &rows)
	posts := len(slices.DeleteFunc(s.log(), func(call string) bool { return call != "POST "+taskPath+"/artifact" }))
	if size := len(encode(task.artifactRow(all[1]))) * len(all); len(rows) != len(all) || posts != size/largestBatch+1 {
		t.Errorf("%d of %d artifacts in %d posts", len(rows), len(all), posts)
	}
	if err := task.PostArtifacts(t.Context(), nil); err != nil {
		t.Errorf("none: %v", err)
	}
}

// TestArtifactsWaitForTheQueue: they are posted after what waits, and a
// refusal is told.
func TestArtifactsWaitForTheQueue(t *testing.T) {
	s := newService(t)
	task := s.task(nil)
	s.down()
	if err := task.Register(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-s.turned
	s.up()
	if err := task.PostArtifacts(t.Context(), []Artifact{{"a", sha, "pickle-v4"}}); err != nil {
		t.Fatal(err)
	}
	if log := s.log(); log[len(log)-1] != "POST "+taskPath+"/artifact" || !slices.Contains(log, "POST "+taskPath+"/metadata") {
		t.Errorf("asked %q", log)
	}
	stranger := s.task(func(_ *Config, c *TaskConfig) { c.Task = "t-9" })
	if err := stranger.PostArtifacts(t.Context(), []Artifact{{"b", sha, "pickle-v4"}}); err == nil || !strings.Contains(err.Error(), "record 1 artifacts: metadata service: POST") {
		t.Errorf("of a task that nobody registered: %v", err)
	}
}
