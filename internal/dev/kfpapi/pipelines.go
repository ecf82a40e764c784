package kfpapi

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/internal/dev/interp"
)

func (s *Server) pipelineRoutes(route router) {
	route("GET /pipelines", s.listPipelines)
	route("POST /pipelines", s.createPipeline)
	route("POST /pipelines/upload", s.upload)
	route("POST /pipelines/upload_version", s.uploadVersion)
	route("GET /pipelines/{id}", func(r *http.Request) (object, error) {
		p, err := one(s.store.pipelines(r.Context(), "WHERE id = ?", r.PathValue("id")))
		return p.object(), err
	})
	route("DELETE /pipelines/{id}", s.deletePipeline)
	route("GET /pipelines/{id}/{what}", s.namedOrVersions)
	route("GET /pipelines/{id}/versions/{version}", func(r *http.Request) (object, error) {
		v, err := s.version(r, r.PathValue("id"), r.PathValue("version"))
		if err != nil {
			return nil, err
		}
		return v.object()
	})
	route("DELETE /pipelines/{id}/versions/{version}", func(r *http.Request) (object, error) {
		v, err := s.version(r, r.PathValue("id"), r.PathValue("version"))
		if err != nil {
			return nil, err
		}
		return nil, s.store.exec(r.Context(), `DELETE FROM versions WHERE id = ?`, v.ID)
	})
}

func (p pipeline) object() object {
	return object{"pipeline_id": p.ID, "name": p.Name, "display_name": p.DisplayName, "created_at": rfc3339(p.Created)}.put("description", p.Description)
}

func (v version) object() (object, error) {
	p, err := interp.Parse(v.document)
	if err != nil {
		return nil, err
	}
	return object{
		"pipeline_id": v.PipelineID, "pipeline_version_id": v.ID, "name": v.Name, "display_name": v.DisplayName,
		"created_at": rfc3339(v.Created), "pipeline_spec": p.Spec(),
	}.put("description", v.Description), nil
}

func (s *Server) version(r *http.Request, pipelineID, id string) (version, error) {
	v, err := one(s.store.versions(r.Context(), "WHERE pipeline_id = ? AND id = ?", pipelineID, id))
	if errors.Is(err, errNotFound) {
		return v, refuse(http.StatusNotFound, "pipeline %s has no version %s", pipelineID, id)
	}
	return v, err
}

func (s *Server) listPipelines(r *http.Request) (object, error) {
	found, err := s.store.pipelines(r.Context(), "")
	if err != nil {
		return nil, err
	}
	items := []object{}
	for _, p := range found {
		items = append(items, p.object())
	}
	return listing(r.URL.Query(), "pipelines", items)
}

// namedOrVersions answers /pipelines/names/{name} and /pipelines/{id}/versions.
func (s *Server) namedOrVersions(r *http.Request) (object, error) {
	id, what := r.PathValue("id"), r.PathValue("what")
	switch {
	case id == "names":
		p, err := one(s.store.pipelines(r.Context(), "WHERE name = ?", what))
		return p.object(), err
	case what != "versions":
		return nil, errNotFound
	}
	found, err := s.store.versions(r.Context(), "WHERE pipeline_id = ?", id)
	if err != nil {
		return nil, err
	}
	items := []object{}
	for _, v := range found {
		o, err := v.object()
		if err != nil {
			return nil, err
		}
		items = append(items, o)
	}
	return listing(r.URL.Query(), "pipeline_versions", items)
}

func (s *Server) createPipeline(r *http.Request) (object, error) {
	var in struct {
		Name        string            `json:"name"`
		DisplayName string            `json:"display_name"`
		Namespace   string            `json:"namespace"`
		Description string            `json:"description"`
		Tags        map[string]string `json:"tags"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	p, err := newPipeline(in.Name, in.DisplayName, in.Description)
	if err != nil {
		return nil, err
	}
	return p.object(), s.store.addPipeline(r.Context(), p)
}

func newPipeline(name, display, description string) (pipeline, error) {
	name = cmp.Or(name, display)
	if name == "" || len(name) > 128 {
		return pipeline{}, refuse(http.StatusBadRequest, "a pipeline's name has 1 to 128 bytes")
	}
	return pipeline{ID: newID(), Name: name, DisplayName: cmp.Or(display, name), Description: description, Created: time.Now()}, nil
}

// uploaded reads the form's file and checks that it can be run.
func uploaded(r *http.Request) ([]byte, error) {
	file, _, err := r.FormFile("uploadfile")
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "uploadfile: %v", err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, interp.MaxDocument+1))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "uploadfile: %v", err)
	}
	if _, err := interp.Parse(raw); err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	return raw, nil
}

func (s *Server) upload(r *http.Request) (object, error) {
	raw, err := uploaded(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	p, err := newPipeline(query.Get("name"), query.Get("display_name"), query.Get("description"))
	if err != nil {
		return nil, err
	}
	if err := s.store.addPipeline(r.Context(), p); err != nil {
		return nil, err
	}
	// KFP names the first version like the pipeline.
	first := version{pipeline: p, PipelineID: p.ID, document: raw}
	first.ID = newID()
	return p.object(), s.store.addVersion(r.Context(), first)
}

func (s *Server) uploadVersion(r *http.Request) (object, error) {
	raw, err := uploaded(r)
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	owner, err := one(s.store.pipelines(r.Context(), "WHERE id = ?", query.Get("pipelineid")))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "pipelineid %q: %v", query.Get("pipelineid"), err)
	}
	p, err := newPipeline(query.Get("name"), query.Get("display_name"), query.Get("description"))
	if err != nil {
		return nil, err
	}
	v := version{pipeline: p, PipelineID: owner.ID, document: raw}
	if err := s.store.addVersion(r.Context(), v); err != nil {
		return nil, err
	}
	return v.object()
}

func (s *Server) deletePipeline(r *http.Request) (object, error) {
	id := r.PathValue("id")
	if _, err := one(s.store.pipelines(r.Context(), "WHERE id = ?", id)); err != nil {
		return nil, err
	}
	found, err := s.store.versions(r.Context(), "WHERE pipeline_id = ?", id)
	if err != nil {
		return nil, err
	}
	if len(found) > 0 && r.URL.Query().Get("cascade") != "true" {
		return nil, refuse(http.StatusBadRequest, "the pipeline has versions; delete them first, or with cascade=true")
	}
	if err := s.store.exec(r.Context(), `DELETE FROM versions WHERE pipeline_id = ?`, id); err != nil {
		return nil, err
	}
	return nil, s.store.exec(r.Context(), `DELETE FROM pipelines WHERE id = ?`, id)
}
