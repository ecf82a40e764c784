package gcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/oauth2"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/trouble"
)

var (
	// errNoBucket is not fs.ErrNotExist: a reader must not take a wrong setting
	// for an object that is not there yet.
	errNoBucket    = errors.New("the bucket does not exist")
	errBrokeOff    = errors.New("the body broke off")
	errCredentials = errors.New("no credentials")
	errSettings    = errors.New("settings")
)

func (s *Store) url(key string) string { return "gs://" + s.bucket + "/" + s.prefix + key }

// status is the HTTP status an error stands for, or 0.
func status(err error) int {
	if ae, ok := errors.AsType[*answerError](err); ok {
		return ae.status
	}
	return 0
}

// failed says what failed, on which object, what came back and what to do.
func (s *Store) failed(ctx context.Context, op, key string, err error) error {
	if errors.Is(err, objstore.ErrTransient) {
		return err
	}
	what, class := s.classify(ctx, err)
	at := ""
	if s.clients.cfg.Endpoint != "" {
		at = " at " + s.clients.cfg.Endpoint
	}
	if class == nil {
		return fmt.Errorf("gs: %s %s%s: %s", op, s.url(key), at, what)
	}
	return fmt.Errorf("gs: %s %s%s: %s: %w", op, s.url(key), at, what, class)
}

// absent is failed for requests that name no object which might be missing:
// their 404 means the bucket.
func (s *Store) absent(ctx context.Context, op, key string, err error) error {
	if status(err) == http.StatusNotFound {
		err = errNoBucket
	}
	return s.failed(ctx, op, key, err)
}

// classify returns the error's meaning for people and its class for callers.
func (s *Store) classify(ctx context.Context, err error) (what string, class error) {
	if what, class, ended := trouble.Ended(ctx, s.clients.writes()); ended {
		return what, class
	}
	if errors.Is(err, errNoBucket) {
		return s.noBucket("HTTP 404"), errNoBucket
	}
	if answer, ok := errors.AsType[*answerError](err); ok {
		return s.classifyAnswer(answer)
	}
	return s.classifyNetwork(err)
}

func (s *Store) classifyAnswer(e *answerError) (what string, class error) {
	told := e.Error()
	switch code := e.status; {
	case code == http.StatusNotFound && (e.reason == "NoSuchBucket" || strings.Contains(e.text, "bucket does not exist")):
		return s.noBucket(told), errNoBucket
	case code == http.StatusNotFound:
		return "HTTP 404", fs.ErrNotExist
	case code == http.StatusPreconditionFailed:
		return "HTTP 412", fs.ErrExist
	case code == http.StatusUnauthorized:
		return fmt.Sprintf("the server refuses the credentials (%s): check GOOGLE_APPLICATION_CREDENTIALS, or the service account this process runs as", told), s.refused(e)
	case code == http.StatusForbidden && strings.HasSuffix(e.reason, "ateLimitExceeded"):
		return told, objstore.ErrTransient
	case code == http.StatusForbidden:
		return fmt.Sprintf("the credentials do not allow this (%s): grant roles/storage.objectUser on bucket %q", told, s.bucket), fs.ErrPermission
	case code == http.StatusRequestTimeout, code == http.StatusConflict, code == http.StatusTooManyRequests, code >= 500:
		return told, objstore.ErrTransient
	}
	return told, nil
}

// refused is the class of an answer that wants other credentials, which there
// may be by now.
func (s *Store) refused(e *answerError) error {
	if s.clients.logins.Refused(e.answer) {
		return objstore.ErrTransient
	}
	return fs.ErrPermission
}

func (s *Store) noBucket(told string) string {
	return fmt.Sprintf("there is no bucket %q (%s): create it, or correct METAFLOW_DATASTORE_SYSROOT_GS and deploy again", s.bucket, told)
}

const howToLogIn = "set GOOGLE_APPLICATION_CREDENTIALS, log in by `gcloud auth application-default login`, or give the pod a service account"

// classifyNetwork is for what failed without an answer of the store.
func (s *Store) classifyNetwork(err error) (what string, class error) {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return s.token(refused)
	}
	if what, class, ok := federation(err); ok {
		return what, class
	}
	check := "check the network"
	if endpoint := s.clients.cfg.Endpoint; endpoint != "" {
		check = "check STORAGE_EMULATOR_HOST (" + endpoint + ") and the network"
	}
	if what, class, ok := trouble.Network(err, check); ok {
		return what, class
	}
	switch {
	case errors.Is(err, errCredentials):
		return "there are no credentials (" + trouble.Last(err).Error() + "): " + howToLogIn, fs.ErrPermission
	case errors.Is(err, errSettings):
		return err.Error(), fs.ErrPermission
	case errors.Is(err, errBrokeOff):
		return err.Error(), objstore.ErrTransient
	}
	return trouble.Last(err).Error(), nil
}

var tokenStatus = regexp.MustCompile(`oauth2/google: status code (\d+)`)

// federation is for what stands in the way of a token in exchange for another
// cloud's. Its errors are texts.
func federation(err error) (what string, class error, ok bool) {
	inner := err
	if ue, is := errors.AsType[*url.Error](err); is {
		inner = ue.Err
	}
	if _, _, network := trouble.Network(inner, ""); network || !strings.Contains(inner.Error(), "oauth2") {
		return "", nil, false
	}
	if found := tokenStatus.FindStringSubmatch(inner.Error()); found != nil {
		if found[1] >= "500" || found[1] == "429" {
			return "no token for the credentials (HTTP " + found[1] + ")", objstore.ErrTransient, true
		}
		return "the credentials are refused or have expired (HTTP " + found[1] + "): " + howToLogIn, fs.ErrPermission, true
	}
	return "there is no token for the credentials (" + trouble.Last(inner).Error() + "): " + howToLogIn, fs.ErrPermission, true
}

// token is for an answer of the server that hands out tokens.
func (s *Store) token(err *oauth2.RetrieveError) (what string, class error) {
	code := 0
	if err.Response != nil {
		code = err.Response.StatusCode
	}
	if code >= 500 || code == http.StatusTooManyRequests {
		return fmt.Sprintf("no token for the credentials (HTTP %d)", code), objstore.ErrTransient
	}
	if strings.Contains(string(err.Body), "short-lived token") {
		return "this machine's clock is wrong: set it", fs.ErrPermission
	}
	return strings.TrimSpace(fmt.Sprintf("the credentials are refused or have expired (HTTP %d %s)", code, err.ErrorCode)) + ": " + howToLogIn, fs.ErrPermission
}
