package metadata

import (
	"strings"
	"testing"
	"time"
)

// The child's calls and the service's answers come from elsewhere.
func FuzzQueueable(f *testing.F) {
	f.Add("/flows/F", `{"flow_id":"F"}`)
	f.Add("/flows/F/run", `{"run_number":"kfp-1"}`)
	f.Add("/flows/F/run", `{"run_number":1}`)
	f.Add("/flows/F/runs/R/steps/S/step", `{}`)
	f.Add("/flows/F/runs/R/steps/S/task", `{"task_id":"t"}`)
	f.Add("/flows/F/runs/R/steps/S/tasks/T/metadata", `[{}]`)
	f.Add("/flows/F/runs/R/steps/S/tasks/T/artifact", `{`)
	f.Add("/", `null`)
	f.Fuzz(func(t *testing.T, path, body string) {
		w, ok := queueable(path, []byte(body))
		if ok && (w.path != path || string(w.body) != body || len(w.reply) == 0) {
			t.Errorf("POST %q %q is queued as %+v", path, body, w)
		}
		if ok && w.object != "" && !strings.HasPrefix(w.object, "/flows/") {
			t.Errorf("POST %q %q makes %q", path, body, w.object)
		}
		if pause := pauseOf([]byte(body)); pause < time.Second || pause > time.Minute {
			t.Errorf("%q asks for a beat every %s", body, pause)
		}
	})
}
