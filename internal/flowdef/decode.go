package flowdef

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxBytes bounds a definition's document. A flow of a thousand steps, each
// with long resources and environment, stays far below it.
const MaxBytes = 8 << 20

// Decode reads a FlowDefinition document and validates it. Decoding is
// strict: a field this build does not know is refused, since a definition
// made by a newer extension may mean something by it that a run must honour.
// Every error names the field.
func Decode(data []byte) (*Definition, error) {
	if len(data) > MaxBytes {
		return nil, &FieldError{Problem: fmt.Sprintf("the document has %d bytes, more than %d", len(data), MaxBytes)}
	}
	// The version first and leniently: "schema 2" says more than the first
	// unknown field of a document of schema 2.
	var head struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, decodeError(err)
	}
	if head.Schema == nil {
		return nil, &FieldError{Field: "schema", Problem: "missing"}
	}
	if *head.Schema != Schema {
		return nil, &FieldError{Field: "schema", Problem: fmt.Sprintf("is %d, this build reads %d: deploy the flow with the extension of this driver's version", *head.Schema, Schema)}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var d Definition
	if err := dec.Decode(&d); err != nil {
		return nil, decodeError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &FieldError{Problem: "data after the end of the document"}
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	return &d, nil
}

// FieldError says which field of a definition is wrong, and how. All errors
// of Decode and Validate are of this type.
type FieldError struct {
	// Field is the path of the field, as steps[2].next[0]; empty when the
	// document as a whole is meant.
	Field   string
	Problem string
	Err     error
}

// Error implements error.
func (e *FieldError) Error() string {
	msg := "flowdef: "
	if e.Field != "" {
		msg += e.Field + ": "
	}
	msg += e.Problem
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the cause, if there is one.
func (e *FieldError) Unwrap() error { return e.Err }

// decodeError turns encoding/json's errors into one that names the field in
// the document's own terms.
func decodeError(err error) error {
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &FieldError{Field: te.Field, Problem: fmt.Sprintf("is a JSON %s, wanted %s", te.Value, te.Type)}
	}
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &FieldError{Problem: fmt.Sprintf("not JSON at byte %d", se.Offset), Err: err}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &FieldError{Problem: "the document is cut short", Err: err}
	}
	return &FieldError{Problem: "not a FlowDefinition", Err: err}
}
