package kfpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/millrace/millrace/internal/dev/interp"
)

func (s *Server) runRoutes(route router) {
	route("GET /runs", s.listRuns)
	route("POST /runs", s.createRun)
	route("GET /runs/{id}", func(r *http.Request) (object, error) {
		v, err := s.engine.Run(r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		return runObject(v, true), nil
	})
	route("DELETE /runs/{id}", func(r *http.Request) (object, error) { return nil, s.engine.Delete(r.PathValue("id")) })
	route("POST /runs/{verb}", s.actOnRun)
}

// meta is what the API keeps with a run.
type meta struct {
	Description    string `json:"description,omitempty"`
	ExperimentID   string `json:"experiment_id,omitempty"`
	PipelineID     string `json:"pipeline_id,omitempty"`
	VersionID      string `json:"pipeline_version_id,omitempty"`
	ServiceAccount string `json:"service_account,omitempty"`
	Archived       bool   `json:"archived,omitempty"`
}

// newRun is the body of POST /runs.
type newRun struct {
	DisplayName  string `json:"display_name"`
	Description  string `json:"description"`
	ExperimentID string `json:"experiment_id"`
	Reference    *struct {
		PipelineID string `json:"pipeline_id"`
		VersionID  string `json:"pipeline_version_id"`
	} `json:"pipeline_version_reference"`
	Spec    json.RawMessage `json:"pipeline_spec"`
	Runtime struct {
		Parameters   interp.Values `json:"parameters"`
		PipelineRoot string        `json:"pipeline_root"`
	} `json:"runtime_config"`
	ServiceAccount string `json:"service_account"`
}

func (s *Server) createRun(r *http.Request) (object, error) {
	var in newRun
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.DisplayName == "" {
		return nil, refuse(http.StatusBadRequest, "a run needs a display_name")
	}
	m := meta{Description: in.Description, ServiceAccount: in.ServiceAccount}
	var err error
	if m.ExperimentID, err = s.experimentOf(r, in.ExperimentID); err != nil {
		return nil, err
	}
	document, err := s.documentOf(r, &in, &m)
	if err != nil {
		return nil, err
	}
	p, err := interp.Parse(document)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	args, err := p.Arguments(in.Runtime.Parameters)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	kept, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	v, err := s.engine.Create(in.DisplayName, document, p, args, kept)
	if err != nil {
		return nil, err
	}
	return runObject(v, true), nil
}

func (s *Server) experimentOf(r *http.Request, id string) (string, error) {
	where, arg := "WHERE id = ?", id
	if id == "" {
		where, arg = "WHERE name = ?", "Default"
	}
	e, err := one(s.store.experiments(r.Context(), where, arg))
	if errors.Is(err, errNotFound) {
		return "", refuse(http.StatusBadRequest, "experiment %q does not exist", arg)
	}
	return e.ID, err
}

// documentOf returns the pipeline a run is to be of.
func (s *Server) documentOf(r *http.Request, in *newRun, m *meta) ([]byte, error) {
	switch {
	case in.Reference != nil:
		m.PipelineID, m.VersionID = in.Reference.PipelineID, in.Reference.VersionID
		where, args := "WHERE pipeline_id = ?", []any{m.PipelineID}
		if m.VersionID != "" {
			where, args = where+" AND id = ?", append(args, m.VersionID)
		}
		v, err := one(s.store.versions(r.Context(), where, args...))
		if errors.Is(err, errNotFound) {
			return nil, refuse(http.StatusBadRequest, "pipeline %q has no version %q", m.PipelineID, m.VersionID)
		}
		m.VersionID = v.ID
		return v.document, err
	case in.Spec != nil:
		var both struct {
			Pipeline json.RawMessage `json:"pipeline_spec"`
			Platform json.RawMessage `json:"platform_spec"`
		}
		if json.Unmarshal(in.Spec, &both) == nil && both.Pipeline != nil {
			if both.Platform == nil {
				return both.Pipeline, nil
			}
			return append(append(both.Pipeline, "\n---\n"...), both.Platform...), nil
		}
		return in.Spec, nil
	}
	return nil, refuse(http.StatusBadRequest, "a run needs a pipeline_version_reference or a pipeline_spec")
}

func (s *Server) listRuns(r *http.Request) (object, error) {
	experiment := r.URL.Query().Get("experiment_id")
	items := []object{}
	for _, v := range s.engine.Runs() {
		if o := runObject(v, false); experiment == "" || o["experiment_id"] == experiment {
			items = append(items, o)
		}
	}
	return listing(r.URL.Query(), "runs", items)
}

func (s *Server) actOnRun(r *http.Request) (object, error) {
	id, verb, _ := strings.Cut(r.PathValue("verb"), ":")
	switch verb {
	case "terminate":
		return nil, s.engine.Terminate(id)
	case "retry":
		return nil, s.engine.Retry(id)
	case "archive", "unarchive":
		v, err := s.engine.Run(id)
		if err != nil {
			return nil, err
		}
		m := metaOf(v)
		m.Archived = verb == "archive"
		raw, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		return nil, s.engine.SetMeta(id, raw)
	}
	return nil, errNotFound
}

func metaOf(v interp.View) meta {
	var m meta
	_ = json.Unmarshal(v.Meta, &m) // we wrote it
	return m
}
