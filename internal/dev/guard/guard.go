// Package guard keeps a loopback HTTP port to its owner. An open local port
// that starts processes is remote code execution for any web page, so every
// request must name the port by its loopback address (no DNS rebinding), must
// not come from a page of another origin, must carry the home's token, and a
// body must be JSON (which a page cannot post without a preflight).
package guard

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net/http"
	"strings"
)

// Config says what a guarded port accepts.
type Config struct {
	// Token is the bearer token every request but /livez carries.
	Token string
	// Address is the listener's host:port.
	Address string
	// Multipart reports routes whose body is a form upload instead of JSON.
	Multipart func(*http.Request) bool
	// Untyped reports routes whose body may come without a Content-Type.
	Untyped func(*http.Request) bool
	// Deny writes a refusal in the port's own error shape.
	Deny func(w http.ResponseWriter, status int, message string)
	// MaxBody bounds every request body.
	MaxBody int64
}

// Handler puts the guard before next.
func Handler(c Config, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + c.Token))
	_, port, _ := strings.Cut(c.Address, ":")
	hosts := map[string]bool{c.Address: true, "localhost:" + port: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hosts[r.Host] {
			c.Deny(w, http.StatusForbidden, "host "+quote(r.Host)+" is not this port's own address "+c.Address)
			return
		}
		if origin, ok := r.Header["Origin"]; ok && !ownOrigin(origin, hosts) {
			c.Deny(w, http.StatusForbidden, "origin "+quote(strings.Join(origin, ","))+" may not use this port")
			return
		}
		if r.URL.Path == "/livez" {
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte("ok\n"))
			return
		}
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			c.Deny(w, http.StatusUnauthorized, "a bearer token is needed: HOME/token of driver dev (eval its `dev env`)")
			return
		}
		if message := c.badBody(r); message != "" {
			c.Deny(w, http.StatusUnsupportedMediaType, message)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, c.MaxBody)
		next.ServeHTTP(w, r)
	})
}

func ownOrigin(origins []string, hosts map[string]bool) bool {
	if len(origins) != 1 {
		return false
	}
	host, ok := strings.CutPrefix(origins[0], "http://")
	return ok && hosts[host]
}

func (c Config) badBody(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions:
		return ""
	}
	if r.ContentLength == 0 {
		return ""
	}
	header := r.Header.Get("Content-Type")
	if header == "" && c.Untyped != nil && c.Untyped(r) {
		return ""
	}
	want := "application/json"
	if c.Multipart != nil && c.Multipart(r) {
		want = "multipart/form-data"
	}
	if media, _, err := mime.ParseMediaType(header); err != nil || media != want {
		return "content type " + quote(header) + " is not " + want
	}
	return ""
}

func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return `"` + strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s) + `"`
}
