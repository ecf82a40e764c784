// Package trouble says what a request that got no answer met: the network's
// failures are the same whichever store is asked.
package trouble

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/internal/objstore"
)

// Ended explains the end of a request's context: its own limit, or that of
// whoever asked.
func Ended(ctx context.Context, limit objstore.WriteLimit) (what string, class error, ended bool) {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return "", nil, false
	case limit.Passed(ctx):
		return fmt.Sprintf("no answer within %s", time.Duration(limit)), objstore.ErrTransient, true
	}
	return "given up", cause, true
}

// Network explains an error that is no answer of a server; check is what to
// look at. It does not know every error: then ok is false.
func Network(err error, check string) (what string, class error, ok bool) {
	if what, class, ok = Known(err, check); ok {
		return what, class, true
	}
	if _, is := errors.AsType[net.Error](err); is {
		return fmt.Sprintf("%s (%s)", Last(err), check), objstore.ErrTransient, true
	}
	return "", nil, false
}

// Known is Network for the failures that have a name of their own: the others
// may be a client's way to say something else.
func Known(err error, check string) (what string, class error, ok bool) {
	if de, is := errors.AsType[*net.DNSError](err); is {
		// Also a name that is wrong for good is waited for: names of services
		// come late when everything starts at once. The log says it each time.
		return fmt.Sprintf("the name %q cannot be resolved: %s", de.Name, check), objstore.ErrTransient, true
	}
	if what := certificate(err); what != "" {
		return what, nil, true
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection is refused: is the server running? " + check, objstore.ErrTransient, true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection broke off", objstore.ErrTransient, true
	}
	if ne, is := errors.AsType[net.Error](err); is && ne.Timeout() {
		return "no answer in time: " + check, objstore.ErrTransient, true
	}
	return "", nil, false
}

// certificate explains why a server's certificate is not believed, which no
// waiting helps against, or returns "".
func certificate(err error) string {
	const authority = "if the authority is one of your own, set SSL_CERT_FILE to a file with its certificate"
	// Of what went wrong with a token, SDKs keep the text alone.
	if strings.Contains(err.Error(), x509.UnknownAuthorityError{}.Error()) {
		return "the server's certificate is of an authority this machine does not know: " + authority
	}
	if refused, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return "the server's certificate is not believed: " + Last(refused).Error()
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is || strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return "the server does not speak TLS: is its address one with http://?"
	}
	return ""
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
