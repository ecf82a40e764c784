package tasksocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/millrace/millrace/internal/objstore"
)

// fencedError is a write that the lease no longer allows.
type fencedError struct{ error }

func (f fencedError) Unwrap() error { return f.error }

// foreignError is a write to what another attempt owns.
type foreignError struct{ error }

func (f foreignError) Unwrap() error { return f.error }

// MalformedError is a file of an attempt that cannot be understood. Reading it
// again does not help.
type MalformedError struct {
	Key    string
	Writer string // whose file it is
	Err    error
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("%s is not what %s writes: %v", e.Key, e.Writer, e.Err)
}

func (e *MalformedError) Unwrap() error { return e.Err }

// class is the word for an error that the child understands.
func class(err error) string {
	var fenced fencedError
	var foreign foreignError
	switch {
	case errors.As(err, &fenced):
		return "fenced"
	case errors.As(err, &foreign), errors.Is(err, fs.ErrPermission):
		return "permission"
	case errors.Is(err, objstore.ErrTransient):
		return "transient"
	case errors.Is(err, fs.ErrNotExist):
		return "not_found"
	case errors.Is(err, fs.ErrExist):
		return "exists"
	case errors.Is(err, fs.ErrInvalid), errors.Is(err, errFrameTooLarge):
		return "invalid"
	default:
		return "internal"
	}
}

// isTrouble says whether the child asked for nothing wrong: then the failure
// is that of a store or a service.
func isTrouble(ctx context.Context, err error) bool {
	var foreign foreignError
	if ctx.Err() != nil || errors.As(err, &foreign) {
		return false
	}
	switch class(err) {
	case "permission", "transient", "internal":
		return true
	}
	return false
}

// fence is asked before every write.
func (s *Server) fence(ctx context.Context) error {
	err := s.cfg.Guard.AwaitWritable(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.record(func(o *Outcome) { o.Fenced = true })
	return fencedError{err}
}
