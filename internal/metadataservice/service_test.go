package metadataservice

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func serve(t *testing.T) string {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "metadata.db"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler(slog.New(slog.NewTextHandler(io.Discard, nil))))
	t.Cleanup(func() { srv.Close(); s.Close() })
	return srv.URL
}

func call(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if v := resp.Header.Get("METADATA_SERVICE_VERSION"); v != Version {
		t.Errorf("%s %s: METADATA_SERVICE_VERSION = %q, want %q", method, url, v, Version)
	}
	reply, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(reply))
}

func TestOneTaskInOrder(t *testing.T) {
	base := serve(t)
	const run, task = "/flows/F/runs/kfp-1", "/flows/F/runs/kfp-1/steps/start/tasks/t-0"
	rows := []struct {
		name, method, path, body string
		status                   int
		contains                 string
	}{
		{"ping", "GET", "/ping", "", 200, "pong"},
		{"no flow yet", "GET", "/flows/F", "", 404, "{}"},
		{"run before flow", "POST", "/flows/F/run", `{"run_number":"kfp-1"}`, 404, "{}"},
		{"flow", "POST", "/flows/F", `{"user_name":"u"}`, 200, `"flow_id":"F"`},
		{"flow again", "POST", "/flows/F", `{}`, 409, ""},
		{"run", "POST", "/flows/F/run", `{"run_number":"kfp-1","tags":["a"],"system_tags":["metaflow_version:2.19"]}`, 200, `"run_number":"kfp-1"`},
		{"run again", "POST", "/flows/F/run", `{"run_number":"kfp-1"}`, 409, ""},
		{"numeric run", "POST", "/flows/F/run", `{"run_number":"12"}`, 500, "is a number"},
		{"numbered run", "POST", "/flows/F/run", `{}`, 200, `"run_number":1`},
		{"step", "POST", run + "/steps/start/step", `{}`, 200, `"tags":["a"]`},
		{"task", "POST", run + "/steps/start/task", `{"task_id":"t-0"}`, 200, `"task_id":"t-0"`},
		{"metadata", "POST", task + "/metadata", `[{"field_name":"foreach-stack","type":"x","value":["xs=b","ys=2"]},{"field_name":"attempt","value":"0"}]`, 200, `"metadata_created":2`},
		{"newest first, list as literal", "GET", task + "/metadata", "", 200, `"value":"{xs=b,ys=2}"`},
		{"metadata of no task", "POST", run + "/steps/start/tasks/none/metadata", `[]`, 404, "{}"},
		{"artifacts attempt 0", "POST", task + "/artifact", `[{"name":"name","attempt_id":0,"sha":"a0"},{"name":"x","attempt_id":0,"sha":"x0"}]`, 200, `"artifacts_created":2`},
		{"doubles skipped", "POST", task + "/artifact", `[{"name":"x","attempt_id":0,"sha":"zz"}]`, 200, `"artifacts_created":0`},
		{"artifacts attempt 1", "POST", task + "/artifact", `[{"name":"name","attempt_id":1,"sha":"a1"}]`, 200, `"artifacts_created":1`},
		{"latest attempt only", "GET", task + "/artifacts/x", "", 404, "{}"},
		{"by attempt", "GET", task + "/artifacts/x/attempt/0", "", 200, `"sha":"x0"`},
		{"latest", "GET", task + "/artifacts/name", "", 200, `"sha":"a1"`},
		{"artifact of no task", "POST", run + "/steps/start/tasks/none/artifact", `[]`, 400, ""},
		{"task beat", "POST", task + "/heartbeat", `{}`, 200, `"{\"wait_time_in_seconds\": 10}"`},
		{"run beat", "POST", run + "/heartbeat", `{}`, 200, "wait_time"},
		{"beat of no run", "POST", "/flows/F/runs/none/heartbeat", `{}`, 404, "{}"},
		{"filter", "GET", run + "/steps/start/filtered_tasks?metadata_field_name=foreach-stack&pattern=xs%3Db", "", 200, `["F/kfp-1/start/t-0"]`},
		{"filter without a match", "GET", run + "/steps/start/filtered_tasks?metadata_field_name=foreach-stack&pattern=nope", "", 200, `[]`},
		{"bad pattern", "GET", run + "/steps/start/filtered_tasks?pattern=(", "", 400, "pattern"},
		{"tags", "PATCH", run + "/tag/mutate", `{"tags_to_add":["b"],"tags_to_remove":["a"]}`, 200, `{"tags":["b"]}`},
		{"system tag", "PATCH", run + "/tag/mutate", `{"tags_to_remove":["metaflow_version:2.19"]}`, 422, ""},
		{"malformed", "POST", task + "/metadata", `[{`, 400, "body"},
	}
	for _, r := range rows {
		status, reply := call(t, r.method, base+r.path, r.body)
		if status != r.status || !strings.Contains(reply, r.contains) {
			t.Errorf("%s: %s %s answered %d %s, want %d with %s", r.name, r.method, r.path, status, reply, r.status, r.contains)
		}
	}
}

// metaflowPython is an interpreter that has Metaflow: `make test` provides it.
func metaflowPython(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("MILLRACE_TEST_PYTHON"); p != "" {
		return p
	}
	p, err := filepath.Abs("../../.venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p); err != nil {
		t.Fatalf("no Python with Metaflow: set MILLRACE_TEST_PYTHON, or run `make venv` (%v)", err)
	}
	return p
}

// The stock client writes a run through the service and reads it back.
func TestStockMetaflow(t *testing.T) {
	python, base, dir := metaflowPython(t), serve(t), t.TempDir()
	env := []string{
		"PATH=" + filepath.Dir(python) + ":/usr/bin:/bin", "HOME=" + dir, "METAFLOW_USER=tester", "METAFLOW_SERVICE_URL=" + base,
		"METAFLOW_DEFAULT_METADATA=service", "METAFLOW_DEFAULT_DATASTORE=local", "METAFLOW_DATASTORE_SYSROOT_LOCAL=" + dir,
	}
	flow, err := filepath.Abs("testdata/forflow.py")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := filepath.Abs("testdata/read_back.py")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), python, args...)
		cmd.Dir, cmd.Env = dir, append(env, "METAFLOW_CLIENT_CACHE_PATH="+dir+"/client")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, out, errs.Bytes())
		}
		return out
	}
	run(flow, "--no-pylint", "run", "--tag", "mine")
	var got map[string]any
	if err := json.Unmarshal(run(reader), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"successful": true, "finished": true, "total": 6.0, "tagged": true, "added": true,
		"children": 3.0, "logged": true, "tasks": 3.0,
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %v, want %v", k, got[k], v)
		}
	}
}
