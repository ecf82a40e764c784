package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/trouble"
)

// errNoBucket is not fs.ErrNotExist: a reader must not take a wrong setting
// for an object that is not there yet.
var errNoBucket = errors.New("the bucket does not exist")

func (s *Store) url(key string) string { return "s3://" + s.bucket + "/" + s.prefix + key }

func status(err error) int {
	if re, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return re.HTTPStatusCode()
	}
	return 0
}

// answer is the server's, if there was one.
func answer(err error) *http.Response {
	if re, ok := errors.AsType[*awshttp.ResponseError](err); ok && re.Response != nil {
		return re.Response.Response
	}
	return nil
}

func hasStatus(err error, code int) bool { return err != nil && status(err) == code }

// failed says what failed, on which object, what came back and what to do. It
// never holds a credential: the SDK's own text, which may quote a request, is
// left out.
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
		return fmt.Errorf("s3: %s %s%s: %s", op, s.url(key), at, what)
	}
	return fmt.Errorf("s3: %s %s%s: %s: %w", op, s.url(key), at, what, class)
}

// classify returns the error's meaning for people and its class for callers.
func (s *Store) classify(ctx context.Context, err error) (what string, class error) {
	if what, class, ended := trouble.Ended(ctx, s.clients.writes()); ended {
		return what, class
	}
	if strings.Contains(err.Error(), noIdentity) {
		return s.classifyCredentials(err)
	}
	code, text := "", ""
	if ae, ok := errors.AsType[smithy.APIError](err); ok {
		code, text = ae.ErrorCode(), ae.ErrorMessage()
	}
	httpStatus := status(err)
	told := code
	if told == "" {
		told = fmt.Sprintf("HTTP %d", httpStatus)
	}
	switch code {
	case "NoSuchKey", "NotFound":
		return told, fs.ErrNotExist
	case "NoSuchBucket":
		return fmt.Sprintf("there is no bucket %q (%s): create it, or correct METAFLOW_DATASTORE_SYSROOT_S3 and deploy again", s.bucket, told), errNoBucket
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId":
		return fmt.Sprintf("the server refuses the credentials (%s): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role, this process runs with", told), s.refused(err)
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return fmt.Sprintf("the credentials have expired (%s): renew AWS_SESSION_TOKEN, or use a role that renews itself", told), s.refused(err)
	case "RequestTimeTooSkewed", "RequestExpired":
		return fmt.Sprintf("this machine's clock is wrong (%s): set it", told), fs.ErrPermission
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		return s.forbidden(told), fs.ErrPermission
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fmt.Sprintf("bucket %q is in another region%s (%s): set AWS_REGION to it", s.bucket, region(err), told), fs.ErrPermission
	case "NoSuchUpload":
		return "the upload is gone: does a rule of the bucket remove what is incomplete? (" + told + ")", objstore.ErrUploadGone
	case "PreconditionFailed":
		return told, fs.ErrExist
	case "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "OperationAborted",
		"ConditionalRequestConflict", "Throttling", "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded":
		return explain(code, httpStatus, text), objstore.ErrTransient
	}
	switch {
	case httpStatus == 404:
		return told, fs.ErrNotExist
	case httpStatus == 412:
		return told, fs.ErrExist
	case httpStatus == 301 || httpStatus == 307:
		return fmt.Sprintf("bucket %q is in another region%s (%s): set AWS_REGION to it", s.bucket, region(err), told), fs.ErrPermission
	case httpStatus == 401 || httpStatus == 403:
		return s.forbidden(told), fs.ErrPermission
	case httpStatus == 408 || httpStatus == 409 || httpStatus == 429 || httpStatus >= 500:
		return explain(code, httpStatus, text), objstore.ErrTransient
	case httpStatus > 0 && httpStatus != 200:
		return explain(code, httpStatus, text), nil
	}
	return s.classifyNetwork(err)
}

func (s *Store) forbidden(told string) string {
	return fmt.Sprintf("the credentials do not allow this (%s): grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on bucket %q", told, s.bucket)
}

func explain(code string, status int, text string) string {
	return strings.TrimSuffix(strings.TrimSpace(fmt.Sprintf("HTTP %d %s: %s", status, code, text)), ":")
}

func region(err error) string {
	if re, ok := errors.AsType[*awshttp.ResponseError](err); ok && re.Response != nil {
		if r := re.Response.Header.Get("X-Amz-Bucket-Region"); r != "" {
			return ", " + r
		}
	}
	return ""
}

// refused is the class of an answer that wants other credentials, which there
// may be by now.
func (s *Store) refused(err error) error {
	if s.clients.logins.Refused(answer(err)) {
		return objstore.ErrTransient
	}
	return fs.ErrPermission
}

// noIdentity is the SDK's text around every reason for which it has no
// credentials to sign a request with.
const noIdentity = "get identity: "

// classifyCredentials is for what stands in the way of credentials.
func (s *Store) classifyCredentials(err error) (what string, class error) {
	if what, class, ok := trouble.Known(err, "the server of credentials cannot be reached: check the network"); ok {
		return what, class
	}
	told := ""
	if answered, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok && answered.HTTPStatusCode() > 0 {
		told = fmt.Sprintf("HTTP %d", answered.HTTPStatusCode())
		if code := answered.HTTPStatusCode(); code >= 500 || code == http.StatusTooManyRequests {
			return "no credentials now from the server that hands them out (" + told + ")", objstore.ErrTransient
		}
	}
	if ae, ok := errors.AsType[smithy.APIError](err); ok {
		told = strings.TrimSpace(told + " " + ae.ErrorCode())
	}
	if told != "" {
		return "no credentials are given to this process (" + told + "): check its role and whom that trusts, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", fs.ErrPermission
	}
	return "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod a role", fs.ErrPermission
}

// classifyNetwork is for what failed without an answer.
func (s *Store) classifyNetwork(err error) (what string, class error) {
	endpoint := s.clients.cfg.Endpoint
	check := "check the network"
	if endpoint != "" {
		check = "check METAFLOW_S3_ENDPOINT_URL (" + endpoint + ") and the network"
	}
	if what, class, ok := trouble.Network(err, check); ok {
		return what, class
	}
	return trouble.Last(err).Error(), nil
}
