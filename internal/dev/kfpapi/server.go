package kfpapi

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/dev/interp"
)

const base = "/apis/v2beta1"

// Server is the API.
type Server struct {
	store  store
	engine *interp.Engine
	log    *slog.Logger
	// disturb adds the routes that do to pods what a cluster can.
	disturb bool
}

// Open prepares the tables. With disturb the routes below /dev/pods act.
func Open(ctx context.Context, db *sql.DB, engine *interp.Engine, disturb bool, log *slog.Logger) (*Server, error) {
	st, err := openStore(ctx, db)
	if err != nil {
		return nil, err
	}
	// KFP comes with an experiment of this name.
	err = st.addExperiment(ctx, experiment{pipeline: pipeline{ID: newID(), Name: "Default", Created: time.Now()}})
	if err != nil && !errors.Is(err, errExists) {
		return nil, fmt.Errorf("make the default experiment: %w", err)
	}
	return &Server{store: st, engine: engine, log: log, disturb: disturb}, nil
}

// object is a JSON object of the API; zero values are left out of it.
type object map[string]any

// statusError is an answer that is no success.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string { return e.message }

func refuse(status int, format string, args ...any) error {
	return &statusError{status, fmt.Sprintf(format, args...)}
}

// Upload says whether the request is a file upload, whose body is a form.
func Upload(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, base+"/pipelines/upload") }

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, h func(*http.Request) (object, error)) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+base+path, func(w http.ResponseWriter, r *http.Request) {
			out, err := h(r)
			s.answer(w, r, out, err)
		})
	}
	route("GET /healthz", func(*http.Request) (object, error) {
		return object{"commit_sha": "driver dev", "tag_name": "2.17.0", "pipeline_store": "database"}, nil
	})
	s.pipelineRoutes(route)
	s.experimentRoutes(route)
	s.runRoutes(route)
	s.podRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, nil, refuse(http.StatusNotFound, "%s %s is not served by the laptop stack", r.Method, r.URL.Path))
	})
	return mux
}

type router func(pattern string, h func(*http.Request) (object, error))

func (s *Server) answer(w http.ResponseWriter, r *http.Request, out object, err error) {
	if err == nil {
		if out == nil {
			out = object{}
		}
		write(w, http.StatusOK, out)
		return
	}
	status := http.StatusInternalServerError
	var refused *statusError
	switch {
	case errors.As(err, &refused):
		status = refused.status
	case errors.Is(err, errNotFound), errors.Is(err, interp.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, errExists):
		status = http.StatusConflict
	case errors.Is(err, interp.ErrState):
		status = http.StatusBadRequest
	default:
		s.log.Error("KFP request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if Upload(r) {
		write(w, status, object{"error_message": err.Error(), "error_details": err.Error()})
		return
	}
	Deny(w, status, err.Error())
}

// grpcCodes are the codes that KFP's gateway maps to these statuses.
var grpcCodes = map[int]int{
	http.StatusBadRequest: 3, http.StatusUnauthorized: 16, http.StatusForbidden: 7, http.StatusNotFound: 5, http.StatusConflict: 6,
	http.StatusUnsupportedMediaType: 3, http.StatusNotImplemented: 12, http.StatusInternalServerError: 13,
}

// Deny writes an error in the API's shape.
func Deny(w http.ResponseWriter, status int, message string) {
	write(w, status, object{"code": grpcCodes[status], "message": message, "details": []any{}})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone when this fails
}

// decode reads a JSON object into its fields and refuses others, as protojson
// does.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "proto: %v", err)
	}
	return nil
}

// rfc3339 is a time as protojson writes it; unset is 1970.
func rfc3339(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC().Format(time.RFC3339)
}

// put sets a field unless it is zero.
func (o object) put(name, value string) object {
	if value != "" {
		o[name] = value
	}
	return o
}
