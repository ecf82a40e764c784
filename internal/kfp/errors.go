package kfp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// What the server's refusals mean.
var (
	// ErrNotFound: no such pipeline, version, experiment or run.
	ErrNotFound = errors.New("not found")
	// ErrExists: the name is taken.
	ErrExists = errors.New("already exists")
	// ErrDenied: missing or wrong credential.
	ErrDenied = errors.New("not allowed")
	// ErrInvalid: the server refused the request's content.
	ErrInvalid = errors.New("refused")
	// ErrUnreachable: no answer, or an answer of trouble, within the budget.
	ErrUnreachable = errors.New("cannot be reached")
)

// Error is one failed request.
type Error struct {
	// Op says what was asked for.
	Op     string
	URL    string
	Status int
	// Message is the server's, or the connection's.
	Message string
	Class   error
	Cause   error
}

// Error implements error.
func (e *Error) Error() string {
	msg := fmt.Sprintf("%s: Kubeflow Pipelines at %s: %v", e.Op, e.URL, e.Class)
	if e.Status != 0 {
		msg += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Message != "" {
		msg += ": " + e.Message
	}
	if hint := e.hint(); hint != "" {
		msg += "; " + hint
	}
	return msg
}

// Unwrap lets errors.Is find the class and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Class}
	}
	return []error{e.Class, e.Cause}
}

func (e *Error) hint() string {
	switch {
	case errors.Is(e.Class, ErrUnreachable):
		return "check METAFLOW_KUBEFLOW_PIPELINES_URL and that the server runs"
	case e.Status >= 300 && e.Status < 400:
		return "this looks like a login page: set KF_PIPELINES_SA_TOKEN_PATH to a token's file, or METAFLOW_KUBEFLOW_PIPELINES_COOKIE to the session's cookie"
	case errors.Is(e.Class, ErrDenied):
		return "check the token in KF_PIPELINES_SA_TOKEN_PATH, and METAFLOW_KUBEFLOW_PIPELINES_NAMESPACE on a multi-user server"
	}
	return ""
}

// classify turns an answer that is no success into an Error.
func classify(op, url string, status int, contentType string, body []byte) error {
	e := &Error{Op: op, URL: url, Status: status, Message: message(contentType, body), Class: ErrInvalid}
	switch {
	case status == http.StatusNotFound:
		e.Class = ErrNotFound
	case status == http.StatusConflict:
		e.Class = ErrExists
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status >= 300 && status < 400:
		e.Class = ErrDenied
	case status == http.StatusTooManyRequests, status >= 500:
		e.Class = ErrUnreachable
		// The server says "already exists" of some names by a plain 500.
		if status == http.StatusInternalServerError {
			e.Class = ErrInvalid
		}
	}
	return e
}

// message finds the text in either of the server's shapes of error.
func message(contentType string, body []byte) string {
	var shape struct {
		Message      string `json:"message"`
		ErrorMessage string `json:"error_message"`
	}
	if json.Unmarshal(body, &shape) == nil {
		if shape.Message != "" {
			return clip(shape.Message)
		}
		if shape.ErrorMessage != "" {
			return clip(shape.ErrorMessage)
		}
	}
	if strings.Contains(contentType, "html") {
		return "an HTML page, not the API"
	}
	return clip(strings.TrimSpace(string(body)))
}

func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > 2000 {
		return strings.ToValidUTF8(s[:2000], "") + "…"
	}
	return s
}
