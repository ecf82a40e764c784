package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

var (
	// errTooOld: the launcher's protocol is below the oldest one served.
	errTooOld = errors.New("protocol too old")
	// errStopping ends what is held open when the driver stops.
	errStopping = fmt.Errorf("%w: it is stopping", dispatch.ErrUnavailable)
)

// toStatus is the one table from what went wrong to what the caller is told;
// driverclient's errors.go reads it the other way.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	if _, done := status.FromError(err); done {
		return err
	}
	return status.Error(codeOf(err), strings.TrimPrefix(err.Error(), "schedule: "))
}

func codeOf(err error) codes.Code {
	for _, row := range []struct {
		is   error
		code codes.Code
	}{
		{schedule.ErrStale, codes.Aborted},
		{schedule.ErrUnknown, codes.NotFound},
		{schedule.ErrConflict, codes.AlreadyExists},
		{schedule.ErrInvalid, codes.InvalidArgument},
		{runstore.ErrUnknownDefinition, codes.NotFound},
		{errTooOld, codes.FailedPrecondition},
		{dispatch.ErrUnavailable, codes.Unavailable},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
	} {
		if errors.Is(err, row.is) {
			return row.code
		}
	}
	return codes.Internal
}

// field refuses a field of a request.
func field(name, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", schedule.ErrInvalid, name, fmt.Sprintf(format, args...))
}

// short is a value in a message: bounded, whatever was sent.
func short(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "..."
	}
	return s
}
