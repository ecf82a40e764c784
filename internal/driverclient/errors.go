package driverclient

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What the driver's refusals mean to a launcher.
var (
	// ErrStale: the lease is another's. Write nothing more.
	ErrStale = errors.New("stale lease")
	// ErrUnknown: the driver knows no such run or incarnation.
	ErrUnknown = errors.New("not known to the driver")
	// ErrConflict: the run was opened with something else.
	ErrConflict = errors.New("differs from what the run was opened with")
	// ErrInvalid: a field of the request is wrong; the message names it.
	ErrInvalid = errors.New("refused by the driver")
	// ErrTooOld: the driver no longer serves this launcher's protocol.
	ErrTooOld = errors.New("this launcher is too old for the driver")
	// ErrDenied: missing or wrong credential.
	ErrDenied = errors.New("credential refused by the driver")
	// ErrUnavailable: the driver, or its store, cannot be reached now.
	ErrUnavailable = errors.New("driver unavailable")
)

// Error is one failed call.
type Error struct {
	Op      string
	Class   error
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v: %s", e.Op, e.Class, e.Message) }

// Unwrap lets errors.Is find the class.
func (e *Error) Unwrap() error { return e.Class }

// Retryable says whether the same call may succeed later by itself.
func Retryable(err error) bool { return errors.Is(err, ErrUnavailable) }

// classify turns a gRPC status into an Error. A code that is in no class is
// trouble between here and there, so it counts as unavailable.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	class := ErrUnavailable
	switch st.Code() {
	case codes.Aborted:
		class = ErrStale
	case codes.NotFound:
		class = ErrUnknown
	case codes.AlreadyExists:
		class = ErrConflict
	case codes.InvalidArgument, codes.OutOfRange:
		class = ErrInvalid
	case codes.FailedPrecondition, codes.Unimplemented:
		class = ErrTooOld
	case codes.Unauthenticated, codes.PermissionDenied:
		class = ErrDenied
	}
	return &Error{Op: op, Class: class, Message: st.Message()}
}
