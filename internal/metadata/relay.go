package metadata

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
)

// Do makes one call for the child; it implements tasksocket.Metadata. A write
// that the service cannot take now is queued and answered as if taken.
func (t *Task) Do(ctx context.Context, method, path string, body []byte) (status int, reply []byte, version string, err error) {
	got, err := t.do(ctx, method, path, body)
	return got.status, got.body, t.client.knownVersion(), err
}

func (t *Task) do(ctx context.Context, method, path string, body []byte) (answer, error) {
	if err := checkPath(path); err != nil {
		return answer{}, err
	}
	switch method {
	case http.MethodGet:
		return t.get(ctx, path)
	case http.MethodPost:
		if w, ok := queueable(path, body); ok {
			return t.write(ctx, w)
		}
	}
	// Its answer says what only the service knows: a new number, merged tags.
	if err := t.settle(ctx); err != nil {
		return answer{}, err
	}
	if err := t.cfg.Fence(ctx); err != nil {
		return answer{}, err
	}
	return t.client.persist(ctx, method, path, body)
}

// The POSTs that can be answered without the service. An id that is not given
// is the service's to give, and such a POST is not among them.
var (
	rowsPath   = regexp.MustCompile(`^/flows/[^/?]+/runs/[^/?]+/steps/[^/?]+/tasks/[^/?]+/(metadata|artifact)$`)
	objectPath = regexp.MustCompile(`^(?:(/flows/[^/?]+)|(/flows/[^/?]+)/(run)|(/flows/[^/?]+/runs/[^/?]+/steps/[^/?]+)/(step|task))$`)
)

// queueable reads a POST that may wait.
func queueable(path string, body []byte) (write, bool) {
	w := write{path: path, body: bytes.Clone(body)}
	if m := rowsPath.FindStringSubmatch(path); m != nil {
		var rows []json.RawMessage
		// A body of another form is the service's to refuse.
		if json.Unmarshal(body, &rows) != nil {
			return write{}, false
		}
		count := "metadata_created"
		if m[1] == "artifact" {
			count = "artifacts_created"
		}
		w.reply = fmt.Appendf(nil, `{"%s": %d}`, count, len(rows))
		return w, true
	}
	w.object = objectOf(path, body)
	w.reply = w.body
	return w, w.object != ""
}

// objectOf is the path of the object that a POST makes, "" when it makes none
// or one without an id.
func objectOf(path string, body []byte) string {
	m := objectPath.FindStringSubmatch(path)
	var ids struct {
		Run  string `json:"run_number"`
		Task string `json:"task_id"`
	}
	if m == nil || json.Unmarshal(body, &ids) != nil {
		return ""
	}
	flow, ofFlow, ofRun, step, ofStep := m[1], m[2], m[3], m[4], m[5]
	switch {
	case flow != "":
		return flow
	case ofRun == "run" && ids.Run != "":
		return ofFlow + "/runs/" + ids.Run
	case ofStep == "step":
		return step
	case ofStep == "task" && ids.Task != "":
		return step + "/tasks/" + ids.Task
	}
	return ""
}

func (t *Task) keep(w write) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[w.object] = w.body
}

// get answers from the queue what waits there; what may depend on it is asked
// when it is empty, so that the child reads what it wrote.
func (t *Task) get(ctx context.Context, path string) (answer, error) {
	t.mu.Lock()
	posted, known := t.rows[path]
	waiting := len(t.queue) > 0
	t.mu.Unlock()
	if known && waiting {
		return answer{http.StatusOK, posted}, nil
	}
	if err := t.settle(ctx); err != nil {
		return answer{}, err
	}
	got, err := t.client.try(ctx, http.MethodGet, path, nil)
	switch {
	case err == nil || !isUnreachable(err):
		return got, err
	case known:
		return answer{http.StatusOK, posted}, nil
	default:
		return t.client.persist(ctx, http.MethodGet, path, nil)
	}
}
