package kfpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/millrace/millrace/internal/dev/interp"
)

// podRoutes are the stack's own, not KFP's: what a cluster can do to a pod.
func (s *Server) podRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /dev/pods", func(w http.ResponseWriter, r *http.Request) {
		found, err := s.engine.Pods(r.URL.Query().Get("run_id"))
		s.answer(w, r, object{"pods": found}, err)
	})
	if !s.disturb {
		return
	}
	mux.HandleFunc("POST /dev/pods/{verb}", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			LeaveProcess bool `json:"leave_process"`
		}
		if err := decode(r, &in); err != nil {
			s.answer(w, r, nil, err)
			return
		}
		uid, verb, _ := strings.Cut(r.PathValue("verb"), ":")
		var err error
		switch verb {
		case "fail":
			err = s.engine.FailPod(uid)
		case "vanish":
			err = s.engine.VanishPod(uid, in.LeaveProcess)
		case "cut":
			err = s.engine.CutPod(uid)
		default:
			err = errNotFound
		}
		if errors.Is(err, interp.ErrState) {
			err = refuse(http.StatusConflict, "%v", err)
		}
		s.answer(w, r, nil, err)
	})
}
