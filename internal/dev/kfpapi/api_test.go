package kfpapi

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite" // the driver of kfp.db

	"github.com/millrace/millrace/internal/dev/interp"
	"github.com/millrace/millrace/internal/dev/pod"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "pod-supervise" {
		os.Exit(pod.Supervise(os.Stdin))
	}
	goleak.VerifyTestMain(m)
}

// server is the API on a home.
type server struct {
	t    *testing.T
	url  string
	home string
	stop func()
}

func start(t *testing.T, home string) *server {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(home, "kfp.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	engine, err := interp.Open(t.Context(), interp.Config{DB: db, Dir: home, Supervisor: []string{os.Args[0], "pod-supervise"}, Slots: 2, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	api, err := Open(t.Context(), db, engine, true, log)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(api.Handler())
	s := &server{t: t, url: web.URL, home: home}
	stopped := false
	s.stop = func() {
		if !stopped {
			stopped = true
			web.Close()
			engine.Close()
			_ = db.Close()
		}
	}
	t.Cleanup(s.stop)
	return s
}

// send returns the status and the body.
func (s *server) send(method, path, contentType string, body io.Reader) (int, map[string]any) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	if !strings.HasPrefix(path, "/dev/") {
		path = base + path
	}
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer reply.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var out map[string]any
	if err := json.NewDecoder(reply.Body).Decode(&out); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply.StatusCode, out
}

func (s *server) call(method, path, body string) (int, map[string]any) {
	s.t.Helper()
	return s.send(method, path, "application/json", strings.NewReader(body))
}

// ok is a call that succeeds.
func (s *server) ok(method, path, body string) map[string]any {
	s.t.Helper()
	status, out := s.call(method, path, body)
	if status != http.StatusOK {
		s.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

// upload sends a file as the kfp client does.
func (s *server) upload(path string, document []byte) (int, map[string]any) {
	s.t.Helper()
	var body bytes.Buffer
	body.WriteString("--b\r\nContent-Disposition: form-data; name=\"uploadfile\"; filename=\"p.yaml\"\r\n\r\n")
	body.Write(document)
	body.WriteString("\r\n--b--\r\n")
	return s.send(http.MethodPost, path, "multipart/form-data; boundary=b", &body)
}

func document(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile("../interp/testdata/foreach-pool.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (s *server) wait(id, state string) map[string]any {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		run := s.ok("GET", "/runs/"+id, "")
		if run["state"] == state {
			return run
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("run is %v, want %s", run, state)
		}
	}
}

// One pipeline from its upload to its end, and all of it after a restart.
func TestLife(t *testing.T) {
	s := start(t, t.TempDir())
	if h := s.ok("GET", "/healthz", ""); h["tag_name"] != "2.17.0" {
		t.Errorf("healthz %v", h)
	}
	status, p := s.upload("/pipelines/upload?name=pool", document(t))
	if status != http.StatusOK {
		t.Fatal(status, p)
	}
	pipeline := p["pipeline_id"].(string)
	status, v := s.upload("/pipelines/upload_version?pipelineid="+pipeline+"&name=v2", document(t))
	if status != http.StatusOK || v["pipeline_spec"] == nil {
		t.Fatal(status, v)
	}
	reference := `"pipeline_version_reference":{"pipeline_id":"` + pipeline + `","pipeline_version_id":"` + v["pipeline_version_id"].(string) + `"}`
	run := s.ok("POST", "/runs", `{"display_name":"r",`+reference+`}`)
	id := run["run_id"].(string)
	run = s.wait(id, "SUCCEEDED")
	states := map[string]int{}
	for _, task := range run["run_details"].(map[string]any)["task_details"].([]any) {
		task := task.(map[string]any)
		states[task["display_name"].(string)+" "+task["state"].(string)]++
		if task["task_id"] == "flow/work" && len(task["child_tasks"].([]any)) != 2 {
			t.Errorf("children %v", task["child_tasks"])
		}
		if task["task_id"] == "flow/work/1" && !strings.HasSuffix(task["pod_name"].(string), "-flow-work-1-0") {
			t.Errorf("pod %v", task["pod_name"])
		}
	}
	if states["work SUCCEEDED"] != 3 || states["flow SUCCEEDED"] != 1 {
		t.Errorf("tasks %v", states)
	}

	s.stop()
	s = start(t, s.home)
	if run := s.ok("GET", "/runs/"+id, ""); run["state"] != "SUCCEEDED" || run["display_name"] != "r" {
		t.Errorf("after a restart: %v", run)
	}
	if p := s.ok("GET", "/pipelines/names/pool", ""); p["pipeline_id"] != pipeline {
		t.Errorf("after a restart: %v", p)
	}
	page := s.ok("GET", "/pipelines/"+pipeline+"/versions?page_size=1&sort_by=created_at%20desc", "")
	if first := page["pipeline_versions"].([]any)[0].(map[string]any); first["name"] != "v2" || page["total_size"] != 2.0 || page["next_page_token"] == nil {
		t.Errorf("page %v", page)
	}
	page = s.ok("GET", "/pipelines/"+pipeline+"/versions?page_size=1&page_token="+page["next_page_token"].(string), "")
	if first := page["pipeline_versions"].([]any)[0].(map[string]any); first["name"] != "pool" {
		t.Errorf("page %v", page)
	}
}

// A run that is terminated ends FAILED, and :retry makes it anew.
func TestTerminateAndRetry(t *testing.T) {
	s := start(t, t.TempDir())
	long := bytes.ReplaceAll(document(t), []byte("echo running $0 \"$@\"; printf"), []byte("until test -e "+s.home+"/go; do sleep 0.02; done; printf"))
	_, p := s.upload("/pipelines/upload?name=pool", long)
	id := s.ok("POST", "/runs", `{"display_name":"r","pipeline_version_reference":{"pipeline_id":"`+p["pipeline_id"].(string)+`"}}`)["run_id"].(string)
	if status, out := s.call("POST", "/runs/"+id+":retry", ""); status != http.StatusBadRequest {
		t.Errorf("retried while it runs: %d %v", status, out)
	}
	if status, out := s.call("DELETE", "/runs/"+id, ""); status != http.StatusBadRequest {
		t.Errorf("deleted while it runs: %d %v", status, out)
	}
	s.ok("POST", "/runs/"+id+":terminate", "")
	s.wait(id, "FAILED")
	if err := os.WriteFile(s.home+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok("POST", "/runs/"+id+":retry", "{}")
	s.wait(id, "SUCCEEDED")
	s.ok("POST", "/runs/"+id+":archive", "")
	if run := s.ok("GET", "/runs/"+id, ""); run["storage_state"] != "ARCHIVED" {
		t.Errorf("archived: %v", run)
	}
	s.ok("DELETE", "/runs/"+id, "")
	if status, _ := s.call("GET", "/runs/"+id, ""); status != http.StatusNotFound {
		t.Errorf("a deleted run answers %d", status)
	}
}

func TestRefusals(t *testing.T) {
	s := start(t, t.TempDir())
	_, p := s.upload("/pipelines/upload?name=pool", document(t))
	reference := `"pipeline_version_reference":{"pipeline_id":"` + p["pipeline_id"].(string) + `"}`
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		message                  string
	}{
		{"unknown field", "POST", "/runs", `{"display_name":"r","color":"red"}`, 400, "unknown field"},
		{"no name", "POST", "/runs", `{` + reference + `}`, 400, "display_name"},
		{"no pipeline", "POST", "/runs", `{"display_name":"r"}`, 400, "pipeline_version_reference"},
		{"missing version", "POST", "/runs", `{"display_name":"r","pipeline_version_reference":{"pipeline_id":"x"}}`, 400, `pipeline "x" has no version`},
		{"missing experiment", "POST", "/runs", `{"display_name":"r","experiment_id":"x",` + reference + `}`, 400, `experiment "x"`},
		{"unknown parameter", "POST", "/runs", `{"display_name":"r",` + reference + `,"runtime_config":{"parameters":{"x":1}}}`, 400, `no parameter "x"`},
		{"missing run", "GET", "/runs/x", "", 404, "not found"},
		{"missing pipeline", "GET", "/pipelines/x", "", 404, "not found"},
		{"missing name", "GET", "/pipelines/names/x", "", 404, "not found"},
		{"missing route", "GET", "/recurringruns", "", 404, "not served"},
		{"missing verb", "POST", "/runs/x:pause", "", 404, "not found"},
		{"taken name", "POST", "/pipelines", `{"name":"pool"}`, 409, "already exist"},
		{"versions", "DELETE", "/pipelines/" + p["pipeline_id"].(string), "", 400, "cascade"},
		{"filter", "GET", `/runs?filter={"predicates":[{"operation":"IN"}]}`, "", 400, "IN"},
		{"missing pod", "POST", "/dev/pods/x:cut", "{}", 404, "not found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out := s.call(test.method, test.path, test.body)
			message, _ := out["message"].(string)
			if status != test.status || !strings.Contains(message, test.message) || out["code"] == nil {
				t.Errorf("%d %v, want %d %q", status, out, test.status, test.message)
			}
		})
	}
	for _, test := range []struct {
		name, path, document string
		status               int
	}{
		{"taken name", "/pipelines/upload?name=pool", string(document(t)), 409},
		{"taken version", "/pipelines/upload_version?name=pool&pipelineid=" + p["pipeline_id"].(string), string(document(t)), 409},
		{"not a pipeline", "/pipelines/upload?name=other", "a: b", 400},
		{"no such pipeline", "/pipelines/upload_version?name=x&pipelineid=x", string(document(t)), 400},
	} {
		t.Run("upload, "+test.name, func(t *testing.T) {
			if status, out := s.upload(test.path, []byte(test.document)); status != test.status || out["error_message"] == nil {
				t.Errorf("%d %v, want %d", status, out, test.status)
			}
		})
	}
	if runs := s.ok("GET", "/runs", ""); len(runs) != 0 {
		t.Errorf("something was started: %v", runs)
	}
}

func TestExperiments(t *testing.T) {
	s := start(t, t.TempDir())
	made := s.ok("POST", "/experiments", `{"display_name":"mine"}`)
	if status, _ := s.call("POST", "/experiments", `{"display_name":"mine"}`); status != http.StatusConflict {
		t.Errorf("a second one of the name: %d", status)
	}
	for _, filter := range []string{
		`{"predicates":[{"operation":"EQUALS","key":"display_name","string_value":"mine"}]}`,
		`{"predicates":[{"operation":"EQUALS","key":"name","stringValue":"mine"}]}`,
	} {
		found := s.ok("GET", "/experiments?filter="+filter, "")["experiments"].([]any)
		if len(found) != 1 || found[0].(map[string]any)["experiment_id"] != made["experiment_id"] {
			t.Errorf("%s found %v", filter, found)
		}
	}
	if all := s.ok("GET", "/experiments", "")["experiments"].([]any); len(all) != 2 {
		t.Errorf("with the default one: %v", all)
	}
}

// A failure of the store is the server's fault, and says so.
func TestBrokenStore(t *testing.T) {
	s := start(t, t.TempDir())
	api := &Server{log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	w := httptest.NewRecorder()
	api.answer(w, httptest.NewRequest(http.MethodGet, base+"/runs", nil), nil, errors.New("disk"))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "disk") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.stop()
}
