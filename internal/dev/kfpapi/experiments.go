package kfpapi

import (
	"cmp"
	"net/http"
	"strings"
	"time"
)

func (s *Server) experimentRoutes(route router) {
	route("GET /experiments", func(r *http.Request) (object, error) {
		found, err := s.store.experiments(r.Context(), "")
		if err != nil {
			return nil, err
		}
		items := []object{}
		for _, e := range found {
			items = append(items, e.object())
		}
		return listing(r.URL.Query(), "experiments", items)
	})
	route("POST /experiments", s.createExperiment)
	route("GET /experiments/{id}", func(r *http.Request) (object, error) {
		e, err := one(s.store.experiments(r.Context(), "WHERE id = ?", r.PathValue("id")))
		return e.object(), err
	})
	route("DELETE /experiments/{id}", func(r *http.Request) (object, error) {
		return nil, s.store.exec(r.Context(), `DELETE FROM experiments WHERE id = ?`, r.PathValue("id"))
	})
	route("POST /experiments/{verb}", func(r *http.Request) (object, error) {
		id, verb, _ := strings.Cut(r.PathValue("verb"), ":")
		if verb != "archive" && verb != "unarchive" {
			return nil, errNotFound
		}
		if _, err := one(s.store.experiments(r.Context(), "WHERE id = ?", id)); err != nil {
			return nil, err
		}
		return nil, s.store.exec(r.Context(), `UPDATE experiments SET archived = ? WHERE id = ?`, verb == "archive", id)
	})
}

func (e experiment) object() object {
	state := "AVAILABLE"
	if e.Archived {
		state = "ARCHIVED"
	}
	return object{
		"experiment_id": e.ID, "display_name": e.Name, "created_at": rfc3339(e.Created), "storage_state": state,
	}.put("description", e.Description)
}

func (s *Server) createExperiment(r *http.Request) (object, error) {
	var in struct {
		Name        string `json:"name"`
		DisplayName string `json:"display_name"`
		Namespace   string `json:"namespace"`
		Description string `json:"description"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	e := experiment{pipeline: pipeline{ID: newID(), Name: cmp.Or(in.DisplayName, in.Name), Description: in.Description, Created: time.Now()}}
	if e.Name == "" {
		return nil, refuse(http.StatusBadRequest, "an experiment needs a display_name")
	}
	return e.object(), s.store.addExperiment(r.Context(), e)
}
