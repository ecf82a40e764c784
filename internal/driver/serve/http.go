package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newHTTP is the second port. Probes are open; they say no more than "yes".
func (s *Server) newHTTP(m *metrics) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", withToken(s.cfg.Token, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})))
	if s.launchers != nil {
		mux.Handle("GET /launcher/{arch}/{sha256}", withToken(s.cfg.Token, http.HandlerFunc(s.launcher)))
	}
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		// A launcher over a slow line takes its time.
		WriteTimeout:   10 * time.Minute,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
}

// ready: what is not durable is not answered, so a store that cannot be
// written is a driver that cannot serve. After a failure the probe itself
// tries: while nobody is sent here nothing else would find the store mended.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.dispatcher.Healthy() != nil {
		if err := s.store.Append(r.Context(), 0, nil); err != nil {
			http.Error(w, "the store cannot be written", http.StatusServiceUnavailable)
			return
		}
	}
	_, _ = io.WriteString(w, "ok\n")
}

// launcher serves a binary by its digest, which the asker checks.
func (s *Server) launcher(w http.ResponseWriter, r *http.Request) {
	s.keepLaunchers()
	f, err := s.launchers.Find(r.PathValue("arch"), r.PathValue("sha256"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "no launcher with this digest here: deploy the flow again, or put that launcher into --launcher-dir", http.StatusNotFound)
		return
	case err != nil:
		s.cfg.Logger.Error("launcher not served", "arch", r.PathValue("arch"), "sha256", r.PathValue("sha256"), "error", err)
		http.Error(w, "the launcher cannot be read", http.StatusInternalServerError)
		return
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
}

// keepLaunchers copies what is new in the launchers' folder. What cannot be
// kept is served all the same, for as long as it is there.
func (s *Server) keepLaunchers() {
	if s.launchers == nil {
		return
	}
	if err := s.launchers.Refresh(); err != nil {
		s.cfg.Logger.Warn("launchers not kept: flows that pin them fail once they are replaced", "error", err)
	}
}

// withToken lets through who brings the service token.
func withToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(given))
		if !strings.EqualFold(scheme, "bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the driver's token is missing or wrong", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
