package metadata

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// TaskConfig names one leased attempt and how its objects are described.
type TaskConfig struct {
	Flow, Run, Step, Task string
	Attempt               int
	User                  string
	Tags, SystemTags      []string
	DatastoreType         string
	DatastoreRoot         string
	// Fields are further rows (field name -> value), such as kubernetes-pod-name.
	Fields map[string]string
	// Fence is asked before each write; an error refuses it.
	Fence func(context.Context) error
}

// Task is the metadata of one leased attempt. It ends with Flush or Drop.
type Task struct {
	client *Client
	cfg    TaskConfig
	ctx    context.Context // of the queue's sender; ends with the task
	cancel context.CancelFunc
	sender sync.WaitGroup

	turn chan struct{} // held by who sends writes, to keep their order

	mu      sync.Mutex
	queue   []write
	bytes   int
	rows    map[string]json.RawMessage // objects by path, as they were posted
	sending bool
	drained chan struct{} // closed when the queue is empty
	refused error         // the first queued write that was refused for good
	ended   error
}

// Task begins the metadata of one attempt. Registrations and the child's
// writes go through its queue in order.
func (c *Client) Task(cfg TaskConfig) *Task {
	if cfg.Fence == nil {
		cfg.Fence = func(context.Context) error { return nil }
	}
	t := &Task{client: c, cfg: cfg, turn: make(chan struct{}, 1), rows: map[string]json.RawMessage{}, drained: make(chan struct{})}
	close(t.drained)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// row is one row of metadata.
type row struct {
	Flow      string   `json:"flow_id"`
	Run       string   `json:"run_number"`
	Step      string   `json:"step_name"`
	Task      string   `json:"task_id"`
	Field     string   `json:"field_name"`
	Type      string   `json:"type"`
	Value     string   `json:"value"`
	Tags      []string `json:"tags"`
	User      string   `json:"user_name"`
	Timestamp int64    `json:"ts_epoch"`
}

func (t *Task) row(field, kind, value string) row {
	return row{
		Flow: t.cfg.Flow, Run: t.cfg.Run, Step: t.cfg.Step, Task: t.cfg.Task, Field: field, Type: kind, Value: value,
		Tags: []string{"attempt_id:" + strconv.Itoa(t.cfg.Attempt)}, User: t.cfg.User, Timestamp: time.Now().UnixMilli(),
	}
}

func (t *Task) attempt() row { return t.row("attempt", "attempt", strconv.Itoa(t.cfg.Attempt)) }

func (t *Task) stepPath() string {
	return "/flows/" + t.cfg.Flow + "/runs/" + t.cfg.Run + "/steps/" + t.cfg.Step
}

func (t *Task) path() string { return t.stepPath() + "/tasks/" + t.cfg.Task }

// Register makes flow, run, step and task known and posts attempt, ds-type
// and ds-root. While the service is down it queues and returns nil.
func (t *Task) Register(ctx context.Context) error {
	for _, o := range t.objects() {
		if t.client.isMade(o.object) {
			continue
		}
		got, err := t.write(ctx, o)
		if err != nil {
			return err
		}
		if got.status >= 300 && got.status != http.StatusConflict {
			return refusal(o, got)
		}
	}
	rows := []row{t.attempt(), t.row("ds-type", "ds-type", t.cfg.DatastoreType), t.row("ds-root", "ds-root", t.cfg.DatastoreRoot)}
	for _, field := range slices.Sorted(maps.Keys(t.cfg.Fields)) {
		rows = append(rows, t.row(field, field, t.cfg.Fields[field]))
	}
	w := t.metadataOf(rows)
	got, err := t.write(ctx, w)
	if err == nil && got.status >= 300 {
		err = refusal(w, got)
	}
	return err
}

// objects are the creations of flow, run, step and task, each described as
// Metaflow does.
func (t *Task) objects() []write {
	now := time.Now().UnixMilli()
	tail := map[string]any{
		"flow_id": t.cfg.Flow, "user_name": t.cfg.User, "tags": orEmpty(t.cfg.Tags), "system_tags": orEmpty(t.cfg.SystemTags), "ts_epoch": now,
	}
	flow := "/flows/" + t.cfg.Flow
	creation := func(path, object string, ids map[string]any) write {
		body := maps.Clone(tail)
		maps.Copy(body, ids)
		return write{path: path, object: object, body: encode(body)}
	}
	return []write{
		{path: flow, object: flow, body: encode(map[string]any{"flow_id": t.cfg.Flow, "ts_epoch": now})},
		creation(flow+"/run", flow+"/runs/"+t.cfg.Run, map[string]any{"run_number": t.cfg.Run}),
		creation(t.stepPath()+"/step", t.stepPath(), map[string]any{"run_number": t.cfg.Run, "step_name": t.cfg.Step}),
		creation(t.stepPath()+"/task", t.path(), map[string]any{"run_number": t.cfg.Run, "step_name": t.cfg.Step, "task_id": t.cfg.Task}),
	}
}

func (t *Task) metadataOf(rows []row) write {
	return write{path: t.path() + "/metadata", body: encode(rows)}
}

// encode is for what always has a JSON form.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and numbers only
	}
	return body
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func refusal(w write, got answer) error {
	return fmt.Errorf("metadata service: POST %s was answered %d: %.500s", w.path, got.status, got.body)
}

// Post queues one row of metadata of the attempt.
func (t *Task) Post(field, kind, value string) {
	if err := t.enqueue(t.metadataOf([]row{t.row(field, kind, value)})); err != nil {
		t.client.cfg.Logger.Warn("a row of metadata is lost", "field", field, "error", err)
	}
}

func (c *Client) isMade(object string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[object]
}

// remember notes an object that the service has for sure. Tasks are not
// noted: each is registered once.
func (c *Client) remember(object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made[object] = true
}
