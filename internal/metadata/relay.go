package metadata

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
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

// queueable reads a POST that can be answered without the service.
func queueable(path string, body []byte) (write, bool) {
	w := write{path: path, body: bytes.Clone(body)}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch last := parts[len(parts)-1]; {
	case last == "metadata" || last == "artifact":
		var rows []json.RawMessage
		if json.Unmarshal(body, &rows) != nil {
			return write{}, false
		}
		count := "metadata_created"
		if last == "artifact" {
			count = "artifacts_created"
		}
		w.reply = fmt.Appendf(nil, `{"%s": %d}`, count, len(rows))
		return w, true
	case len(parts) == 2 && parts[0] == "flows", len(parts) == 3 && last == "run", len(parts) == 7 && (last == "step" || last == "task"):
		w.object = objectOf(parts, body)
		w.reply = w.body
		return w, w.object != ""
	}
	return write{}, false
}

// objectOf is the path of the object that a creation makes, "" when its id is
// the service's to give.
func objectOf(parts []string, body []byte) string {
	var ids struct {
		Run  string `json:"run_number"`
		Task string `json:"task_id"`
	}
	// A body that is no such object is the service's to refuse.
	if json.Unmarshal(body, &ids) != nil {
		return ""
	}
	path, kind := "/"+strings.Join(parts[:len(parts)-1], "/"), parts[len(parts)-1]
	switch {
	case len(parts) == 2:
		return path + "/" + kind
	case kind == "run" && ids.Run != "":
		return path + "/runs/" + ids.Run
	case kind == "step":
		return path
	case kind == "task" && ids.Task != "":
		return path + "/tasks/" + ids.Task
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
