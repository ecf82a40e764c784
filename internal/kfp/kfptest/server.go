// Package kfptest is a Kubeflow Pipelines API in memory, for tests: it keeps
// what it is given, answers in the real server's shapes, and runs nothing.
package kfptest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// Server is the API. Its fields may be set before the first request.
type Server struct {
	*httptest.Server
	// Token, when set, is demanded.
	Token string
	// Tag is the release healthz names.
	Tag string
	// Fail, when it answers a status, stands in for the route.
	Fail func(r *http.Request) int

	mu          sync.Mutex
	Requests    []string
	pipelines   []object
	versions    []object
	experiments []object
	runs        []object
	next        int
}

type object = map[string]any

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{Tag: "2.17.0"}
	mux := http.NewServeMux()
	const base = "/apis/v2beta1"
	mux.HandleFunc("GET "+base+"/healthz", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, object{"commit_sha": "abc", "tag_name": s.Tag})
	})
	mux.HandleFunc("POST "+base+"/pipelines", s.createPipeline)
	mux.HandleFunc("POST "+base+"/pipelines/upload_version", s.uploadVersion)
	mux.HandleFunc("GET "+base+"/pipelines/{id}/{what}", s.getPipeline)
	mux.HandleFunc("GET "+base+"/pipelines/{id}/versions/{version}", s.getVersion)
	mux.HandleFunc("GET "+base+"/experiments", s.listExperiments)
	mux.HandleFunc("POST "+base+"/experiments", s.createExperiment)
	mux.HandleFunc("POST "+base+"/runs", s.createRun)
	mux.HandleFunc("GET "+base+"/runs/{id}", s.getRun)
	mux.HandleFunc("POST "+base+"/runs/{verb}", s.actOnRun)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.Requests = append(s.Requests, r.Method+" "+strings.TrimPrefix(r.URL.Path, base))
		if s.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.Token {
			fail(w, http.StatusUnauthorized, "Unauthenticated")
			return
		}
		if s.Fail != nil {
			if status := s.Fail(r); status != 0 {
				fail(w, status, http.StatusText(status))
				return
			}
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// Run returns what a run was started with.
func (s *Server) Run(id string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(find(s.runs, "run_id", id))
}

// SetState sets a run's state.
func (s *Server) SetState(id, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	find(s.runs, "run_id", id)["state"] = state
}

// Count tells how many requests began with that method and path.
func (s *Server) Count(prefix string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.Requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

// getPipeline answers /pipelines/names/{name} and /pipelines/{id}/versions.
func (s *Server) getPipeline(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.PathValue("id") == "names":
		answer(w, find(s.pipelines, "name", r.PathValue("what")))
	case r.PathValue("what") == "versions":
		s.listVersions(w, r)
	default:
		answer(w, nil)
	}
}

func (s *Server) createPipeline(w http.ResponseWriter, r *http.Request) {
	in, ok := body(w, r, "display_name", "name", "namespace", "description")
	if !ok {
		return
	}
	if find(s.pipelines, "name", in["name"].(string)) != nil {
		fail(w, http.StatusConflict, "already exist")
		return
	}
	in["pipeline_id"], in["created_at"] = s.id(), now()
	s.pipelines = append(s.pipelines, in)
	reply(w, in)
}

func (s *Server) uploadVersion(w http.ResponseWriter, r *http.Request) {
	file, _, err := r.FormFile("uploadfile")
	if err != nil {
		replyStatus(w, http.StatusBadRequest, object{"error_message": err.Error()})
		return
	}
	raw, _ := io.ReadAll(file)
	documents := strings.Split(string(raw), "\n---\n")
	var spec, platform any
	if err := yaml.Unmarshal([]byte(documents[0]), &spec); err != nil || len(documents) > 2 {
		replyStatus(w, http.StatusBadRequest, object{"error_message": fmt.Sprintf("bad pipeline: %v", err)})
		return
	}
	if len(documents) == 2 {
		if err := yaml.Unmarshal([]byte(documents[1]), &platform); err != nil {
			replyStatus(w, http.StatusBadRequest, object{"error_message": err.Error()})
			return
		}
		spec = object{"pipeline_spec": spec, "platform_spec": platform}
	}
	query := r.URL.Query()
	for _, v := range s.versions {
		if v["pipeline_id"] == query.Get("pipelineid") && v["name"] == query.Get("name") {
			replyStatus(w, http.StatusConflict, object{"error_message": "already exist"})
			return
		}
	}
	v := object{
		"pipeline_id": query.Get("pipelineid"), "pipeline_version_id": s.id(), "name": query.Get("name"),
		"display_name": query.Get("display_name"), "created_at": now(), "pipeline_spec": spec,
	}
	s.versions = append(s.versions, v)
	reply(w, v)
}

func (s *Server) listVersions(w http.ResponseWriter, r *http.Request) {
	all := []object{}
	for _, v := range slices.Backward(s.versions) {
		if v["pipeline_id"] == r.PathValue("id") {
			all = append(all, v)
		}
	}
	page(w, r.URL.Query(), "pipeline_versions", all)
}

func (s *Server) getVersion(w http.ResponseWriter, r *http.Request) {
	answer(w, find(s.versions, "pipeline_version_id", r.PathValue("version")))
}

func (s *Server) listExperiments(w http.ResponseWriter, r *http.Request) {
	var filter struct {
		Predicates []struct {
			Operation, Key string
			Value          string `json:"string_value"`
		}
	}
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filter")), &filter)
	all := []object{}
	for _, e := range s.experiments {
		if len(filter.Predicates) == 0 || e[filter.Predicates[0].Key] == filter.Predicates[0].Value {
			all = append(all, e)
		}
	}
	page(w, r.URL.Query(), "experiments", all)
}

func (s *Server) createExperiment(w http.ResponseWriter, r *http.Request) {
	in, ok := body(w, r, "display_name", "namespace", "description")
	if !ok {
		return
	}
	in["experiment_id"] = s.id()
	s.experiments = append(s.experiments, in)
	reply(w, in)
}

func (s *Server) createRun(w http.ResponseWriter, r *http.Request) {
	in, ok := body(w, r, "display_name", "description", "experiment_id", "pipeline_version_reference", "runtime_config", "service_account")
	if !ok {
		return
	}
	in["run_id"], in["state"], in["created_at"], in["finished_at"] = s.id(), "PENDING", now(), "1970-01-01T00:00:00Z"
	s.runs = append(s.runs, in)
	reply(w, in)
}

func (s *Server) getRun(w http.ResponseWriter, r *http.Request) {
	answer(w, find(s.runs, "run_id", r.PathValue("id")))
}

func (s *Server) actOnRun(w http.ResponseWriter, r *http.Request) {
	id, verb, _ := strings.Cut(r.PathValue("verb"), ":")
	run := find(s.runs, "run_id", id)
	if run == nil {
		fail(w, http.StatusNotFound, "run not found")
		return
	}
	switch verb {
	case "terminate":
		run["state"] = "CANCELING"
	case "retry":
		if run["state"] != "FAILED" {
			fail(w, http.StatusBadRequest, "the run has not failed")
			return
		}
		run["state"] = "RUNNING"
	default:
		fail(w, http.StatusNotFound, "no such verb")
		return
	}
	reply(w, object{})
}

func (s *Server) id() string {
	s.next++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", s.next)
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

func find(all []object, key, value string) object {
	for _, o := range all {
		if o[key] == value {
			return o
		}
	}
	return nil
}

// page answers in pages of at most two, so that clients must turn them.
func page(w http.ResponseWriter, query url.Values, key string, all []object) {
	var from int
	_, _ = fmt.Sscan(query.Get("page_token"), &from)
	to := min(from+2, len(all))
	out := object{"total_size": len(all)}
	if from < to {
		out[key] = all[from:to]
	}
	if to < len(all) {
		out["next_page_token"] = fmt.Sprint(to)
	}
	reply(w, out)
}

// body reads a JSON object and refuses fields the server does not know.
func body(w http.ResponseWriter, r *http.Request, known ...string) (object, bool) {
	var in object
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return nil, false
	}
	for name := range in {
		if !slices.Contains(known, name) {
			fail(w, http.StatusBadRequest, fmt.Sprintf("proto: unknown field %q", name))
			return nil, false
		}
	}
	return in, true
}

func answer(w http.ResponseWriter, o object) {
	if o == nil {
		fail(w, http.StatusNotFound, "not found")
		return
	}
	reply(w, o)
}

func reply(w http.ResponseWriter, v any) { replyStatus(w, http.StatusOK, v) }

func fail(w http.ResponseWriter, status int, message string) {
	replyStatus(w, status, object{"code": 5, "message": message, "details": []any{}})
}

func replyStatus(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
