package metadataservice

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
)

// maxBody bounds a request; a task with many artifacts posts them in one call.
const maxBody = 64 << 20

var errSystemTag = errors.New("a system tag cannot be removed")

// badRequest is an error that is the caller's fault.
type badRequest struct{ error }

// Handler serves the API below "/".
func (s *Service) Handler(log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	mux.HandleFunc("GET /ping", text("pong"))
	mux.HandleFunc("GET /version", text(Version))
	route := func(pattern string, h func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			reply, err := h(r)
			answer(w, log, r, reply, err)
		})
	}
	route("GET /healthcheck", func(r *http.Request) (any, error) { return row{"status": "UP"}, s.db.PingContext(r.Context()) })
	s.readRoutes(route)
	s.writeRoutes(route)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("METADATA_SERVICE_VERSION", Version)
		mux.ServeHTTP(w, r)
	})
}

func pathOf(r *http.Request) path {
	return path{flow: r.PathValue("flow"), run: r.PathValue("run"), step: r.PathValue("step"), task: r.PathValue("task")}
}

const (
	runPath  = "/flows/{flow}/runs/{run}"
	stepPath = runPath + "/steps/{step}"
	taskPath = stepPath + "/tasks/{task}"
)

func (s *Service) readRoutes(route func(string, func(*http.Request) (any, error))) {
	route("GET /flows", func(r *http.Request) (any, error) { return flows(r.Context(), s.db, path{}) })
	route("GET /flows/{flow}", func(r *http.Request) (any, error) { return one(flows(r.Context(), s.db, pathOf(r))) })
	route("GET /flows/{flow}/runs", func(r *http.Request) (any, error) { return runs(r.Context(), s.db, pathOf(r)) })
	route("GET "+runPath, func(r *http.Request) (any, error) { return one(runs(r.Context(), s.db, pathOf(r))) })
	route("GET "+runPath+"/steps", func(r *http.Request) (any, error) { return steps(r.Context(), s.db, pathOf(r)) })
	route("GET "+stepPath, func(r *http.Request) (any, error) { return one(steps(r.Context(), s.db, pathOf(r))) })
	route("GET "+stepPath+"/tasks", func(r *http.Request) (any, error) { return tasks(r.Context(), s.db, pathOf(r)) })
	route("GET "+taskPath, func(r *http.Request) (any, error) { return one(tasks(r.Context(), s.db, pathOf(r))) })
	route("GET "+stepPath+"/filtered_tasks", s.filteredTasks)
	for _, prefix := range []string{runPath, taskPath} {
		route("GET "+prefix+"/metadata", func(r *http.Request) (any, error) { return metadata(r.Context(), s.db, pathOf(r)) })
	}
	for _, prefix := range []string{runPath, stepPath, taskPath} {
		route("GET "+prefix+"/artifacts", func(r *http.Request) (any, error) { return artifacts(r.Context(), s.db, pathOf(r), "", -1) })
	}
	route("GET "+taskPath+"/artifacts/{name}", func(r *http.Request) (any, error) {
		return one(artifacts(r.Context(), s.db, pathOf(r), r.PathValue("name"), -1))
	})
	route("GET "+taskPath+"/artifacts/{name}/attempt/{attempt}", func(r *http.Request) (any, error) {
		n, err := attemptOf(r)
		if err != nil {
			return nil, err
		}
		return one(artifacts(r.Context(), s.db, pathOf(r), r.PathValue("name"), n))
	})
	route("GET "+taskPath+"/attempt/{attempt}/artifacts", func(r *http.Request) (any, error) {
		n, err := attemptOf(r)
		if err != nil {
			return nil, err
		}
		return artifacts(r.Context(), s.db, pathOf(r), "", n)
	})
}

func attemptOf(r *http.Request) (int, error) {
	n, err := strconv.ParseUint(r.PathValue("attempt"), 10, 16)
	if err != nil {
		return 0, badRequest{fmt.Errorf("attempt: %w", err)}
	}
	return int(n), nil
}

// filteredTasks answers the pathspecs of the step's tasks that have a metadata
// row of that field whose value matches; without a field, of all tasks.
func (s *Service) filteredTasks(r *http.Request) (any, error) {
	p, field := pathOf(r), r.URL.Query().Get("metadata_field_name")
	pattern, err := regexp.Compile(r.URL.Query().Get("pattern"))
	if err != nil {
		return nil, badRequest{fmt.Errorf("pattern: %w", err)}
	}
	all, err := tasks(r.Context(), s.db, p)
	if err != nil {
		return nil, err
	}
	matching := map[string]bool{}
	if field != "" || pattern.String() != "" {
		rows, err := metadata(r.Context(), s.db, p)
		if err != nil {
			return nil, err
		}
		for _, m := range rows {
			if (field == "" || m["field_name"] == field) && pattern.MatchString(m["value"].(string)) {
				matching[fmt.Sprint(m["task_id"])] = true
			}
		}
	}
	specs := []string{}
	for _, t := range all {
		id := fmt.Sprint(t["task_id"])
		if matching[id] || field == "" && pattern.String() == "" {
			specs = append(specs, fmt.Sprintf("%s/%s/%s/%s", p.flow, p.run, p.step, id))
		}
	}
	return specs, nil
}

func (s *Service) writeRoutes(route func(string, func(*http.Request) (any, error))) {
	create := func(pattern string, h func(*http.Request, path, object) (row, error)) {
		route(pattern, func(r *http.Request) (any, error) {
			var o object
			if err := decode(r, &o); err != nil {
				return nil, err
			}
			return h(r, pathOf(r), o)
		})
	}
	create("POST /flows/{flow}", func(r *http.Request, p path, o object) (row, error) { return s.createFlow(r.Context(), p.flow, o) })
	create("POST /flows/{flow}/run", func(r *http.Request, p path, o object) (row, error) {
		run, err := textID("run_number", o.RunNumber)
		if err != nil {
			return nil, err
		}
		return s.createRun(r.Context(), p.flow, run, o)
	})
	create("POST "+stepPath+"/step", func(r *http.Request, p path, o object) (row, error) { return s.createStep(r.Context(), p, o) })
	create("POST "+stepPath+"/task", func(r *http.Request, p path, o object) (row, error) {
		task, err := textID("task_id", o.TaskID)
		if err != nil {
			return nil, err
		}
		p.task = task
		return s.createTask(r.Context(), p, o)
	})
	route("POST "+taskPath+"/metadata", func(r *http.Request) (any, error) {
		var all []metadatum
		if err := decode(r, &all); err != nil {
			return nil, err
		}
		return row{"metadata_created": len(all)}, s.addMetadata(r.Context(), pathOf(r), all)
	})
	route("POST "+taskPath+"/artifact", func(r *http.Request) (any, error) {
		var all []artifact
		if err := decode(r, &all); err != nil {
			return nil, err
		}
		made, err := s.addArtifacts(r.Context(), pathOf(r), all)
		if isMissing(err) {
			err = badRequest{errors.New("no such run or task")}
		}
		return row{"artifacts_created": made}, err
	})
	for _, prefix := range []string{runPath, taskPath} {
		route("POST "+prefix+"/heartbeat", func(r *http.Request) (any, error) {
			// Metaflow's client decodes this body twice.
			return `{"wait_time_in_seconds": 10}`, s.heartbeat(r.Context(), pathOf(r))
		})
	}
	route("PATCH "+runPath+"/tag/mutate", func(r *http.Request) (any, error) {
		var change struct {
			Add    []string `json:"tags_to_add"`
			Remove []string `json:"tags_to_remove"`
		}
		if err := decode(r, &change); err != nil {
			return nil, err
		}
		tags, err := s.mutateTags(r.Context(), pathOf(r), change.Add, change.Remove)
		return row{"tags": tags}, err
	})
}

func decode(r *http.Request, into any) error {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return badRequest{fmt.Errorf("body: %w", err)}
	}
	return nil
}

func answer(w http.ResponseWriter, log *slog.Logger, r *http.Request, reply any, err error) {
	status := http.StatusOK
	var bad badRequest
	switch {
	case err == nil:
	case isMissing(err):
		status, reply = http.StatusNotFound, row{}
	case errors.Is(err, errExists):
		status, reply = http.StatusConflict, row{"message": err.Error()}
	case errors.Is(err, errSystemTag):
		status, reply = http.StatusUnprocessableEntity, row{"message": err.Error()}
	case errors.As(err, &bad):
		status, reply = http.StatusBadRequest, row{"message": err.Error()}
	default:
		log.Error("metadata request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		status, reply = http.StatusInternalServerError, row{"message": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(reply) // the client is gone when this fails
}
