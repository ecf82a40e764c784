package metadata

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// largestBatch bounds one POST of artifacts: the service takes 1 MiB.
const largestBatch = 256 << 10

// Artifact is one that the attempt stored.
type Artifact struct {
	Name string
	SHA  string
	// Encoding is what its reader goes by, such as pickle-v4.
	Encoding string
}

// artifactRow is the row of one artifact.
type artifactRow struct {
	Flow        string   `json:"flow_id"`
	Run         string   `json:"run_number"`
	Step        string   `json:"step_name"`
	Task        string   `json:"task_id"`
	Attempt     int      `json:"attempt_id"`
	Name        string   `json:"name"`
	ContentType string   `json:"content_type"`
	Type        string   `json:"type"`
	SHA         string   `json:"sha"`
	DSType      string   `json:"ds_type"`
	Location    string   `json:"location"`
	User        string   `json:"user_name"`
	Tags        []string `json:"tags"`
	SystemTags  []string `json:"system_tags"`
	Timestamp   int64    `json:"ts_epoch"`
}

// PostArtifacts records the artifacts of an attempt whose own process can no
// longer do it. Those that the service knows stay as they are. What waits in
// the queue goes first, so that no more than one batch ever joins it.
func (t *Task) PostArtifacts(ctx context.Context, artifacts []Artifact) error {
	var batch []json.RawMessage
	size := 0
	for _, a := range artifacts {
		row := encode(t.artifactRow(a))
		if size+len(row) > largestBatch && len(batch) > 0 {
			if err := t.postBatch(ctx, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
		batch, size = append(batch, row), size+len(row)
	}
	if len(batch) == 0 {
		return nil
	}
	return t.postBatch(ctx, batch)
}

func (t *Task) artifactRow(a Artifact) artifactRow {
	return artifactRow{
		Flow: t.cfg.Flow, Run: t.cfg.Run, Step: t.cfg.Step, Task: t.cfg.Task, Attempt: t.cfg.Attempt,
		Name: a.Name, ContentType: a.Encoding, Type: "metaflow.artifact", SHA: a.SHA,
		DSType: t.cfg.DatastoreType, Location: ":root:" + t.cfg.DatastoreRoot,
		User: t.cfg.User, Tags: orEmpty(t.cfg.Tags), SystemTags: orEmpty(t.cfg.SystemTags), Timestamp: time.Now().UnixMilli(),
	}
}

func (t *Task) postBatch(ctx context.Context, batch []json.RawMessage) error {
	if err := t.settle(ctx); err != nil {
		return err
	}
	w := write{path: t.path() + "/artifact", body: encode(batch)}
	got, err := t.write(ctx, w)
	if err == nil && got.status >= 300 && got.status != http.StatusConflict {
		err = refusal(w, got)
	}
	if err != nil {
		return fmt.Errorf("record %d artifacts: %w", len(batch), err)
	}
	return nil
}
