// Package trouble says what a request that got no answer met: the network's
// failures are the same whichever store is asked.
package trouble

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/millrace/millrace/internal/objstore"
)

// Network explains an error that is no answer of a server; check is what to
// look at. It does not know every error: then ok is false.
func Network(err error, check string) (what string, class error, ok bool) {
	if de, is := errors.AsType[*net.DNSError](err); is {
		// Also a name that is wrong for good is waited for: names of services
		// come late when everything starts at once. The log says it each time.
		return fmt.Sprintf("the name %q cannot be resolved: %s", de.Name, check), objstore.ErrTransient, true
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused: is the server running? " + check, objstore.ErrTransient, true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection broke off", objstore.ErrTransient, true
	}
	ne, is := errors.AsType[net.Error](err)
	switch {
	case is && ne.Timeout():
		return "no answer in time: " + check, objstore.ErrTransient, true
	case is:
		return fmt.Sprintf("%s (%s)", Last(err), check), objstore.ErrTransient, true
	}
	return "", nil, false
}

// Last is the innermost error, without a client's chain of contexts.
func Last(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
