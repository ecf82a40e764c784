package tasksocket

import (
	"encoding/json"
	"fmt"
	"io/fs"
)

// protocolVersion is what both sides must speak.
const protocolVersion = 1

// request is what the child asks; each op uses some of the fields.
type request struct {
	Op string `json:"op"`

	// hello
	Protocol int    `json:"protocol"`
	PID      int    `json:"pid"`
	Shim     string `json:"shim"`

	// the stores
	Type      string   `json:"type"`
	Root      string   `json:"root"`
	Path      string   `json:"path"`
	Paths     []string `json:"paths"`
	Overwrite bool     `json:"overwrite"`
	Below     bool     `json:"below"`
	Items     []item   `json:"items"`

	// transition
	Attempt int  `json:"attempt"`
	TaskOK  bool `json:"task_ok"`
	Transition

	// metadata, with Path
	Method string          `json:"method"`
	Body   json.RawMessage `json:"body"`

	// note, trouble
	Message string `json:"message"`
}

// item is one object of a save: its content is in Data or in a file of the
// spool folder.
type item struct {
	Path string          `json:"path"`
	Meta json.RawMessage `json:"meta"`
	Data []byte          `json:"data"`
	File string          `json:"file"`
}

// meta is what Metaflow says of an object's encoding.
type meta struct {
	Raw bool `json:"cas_raw"`
}

func parseRequest(body []byte) (*request, error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, invalid("the request is not the JSON that is understood: %v", err)
	}
	for _, i := range r.Items {
		if (i.Data == nil) == (i.File == "") {
			return nil, invalid("save %.200q: exactly one of data and file must be given", i.Path)
		}
		if !isNull(i.Meta) {
			var m map[string]any
			if err := json.Unmarshal(i.Meta, &m); err != nil {
				return nil, invalid("save %.200q: its meta is no JSON object", i.Path)
			}
		}
	}
	return &r, nil
}

// isRaw says whether the object is to be stored as it is.
func (i item) isRaw() bool {
	var m meta
	return !isNull(i.Meta) && json.Unmarshal(i.Meta, &m) == nil && m.Raw
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// invalidError is of the caller's own making.
type invalidError struct{ error }

func (i invalidError) Unwrap() []error { return []error{i.error, fs.ErrInvalid} }

func invalid(format string, args ...any) error {
	return invalidError{fmt.Errorf(format, args...)}
}
