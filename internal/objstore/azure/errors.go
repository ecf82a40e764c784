package azure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/trouble"
)

// errNoContainer is not fs.ErrNotExist: a reader must not take a wrong setting
// for an object that is not there yet.
var errNoContainer = errors.New("the container does not exist")

func (s *Store) url(key string) string { return s.container + "/" + s.prefix + key }

func status(err error) int {
	if re, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return re.StatusCode
	}
	return 0
}

// failed says what failed, on which object, what came back and what to do. It
// never holds a credential: the SDK's own text, which quotes the request with
// its signature, is left out.
func (s *Store) failed(ctx context.Context, op, key string, err error) error {
	if errors.Is(err, objstore.ErrTransient) {
		return err
	}
	what, class := s.classify(ctx, err)
	at := ""
	if account, err := s.clients.cfg.Account.resolve(); err == nil {
		at = " at " + account.Endpoint
	}
	if class == nil {
		return fmt.Errorf("azure: %s %s%s: %s", op, s.url(key), at, what)
	}
	return fmt.Errorf("azure: %s %s%s: %s: %w", op, s.url(key), at, what, class)
}

// classify returns the error's meaning for people and its class for callers.
func (s *Store) classify(ctx context.Context, err error) (what string, class error) {
	if what, class, ended := trouble.Ended(ctx, s.clients.writes()); ended {
		return what, class
	}
	if errors.Is(err, errSettings) {
		return err.Error(), fs.ErrPermission
	}
	re, ok := errors.AsType[*azcore.ResponseError](err)
	if failed, is := errors.AsType[*azidentity.AuthenticationFailedError](err); is {
		return s.token(failed)
	}
	if !ok {
		return s.classifyNetwork(err)
	}
	told := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", re.StatusCode, re.ErrorCode))
	switch re.ErrorCode {
	case "ContainerNotFound":
		return fmt.Sprintf("there is no container %q (%s): create it, or correct METAFLOW_DATASTORE_SYSROOT_AZURE and deploy again", s.container, told), errNoContainer
	case "BlobAlreadyExists", "ConditionNotMet":
		return told, fs.ErrExist
	// Another put to the same key came first and dropped the blocks of this one.
	case "InvalidBlockList":
		return told, objstore.ErrUploadGone
	case "Crc64Mismatch":
		return "what arrived is not what was sent (" + told + ")", objstore.ErrTransient
	case "ContainerBeingDeleted":
		return told, objstore.ErrTransient
	}
	if what := s.refused(re); what != "" {
		if s.expired(re) && s.clients.logins.Refused(re.RawResponse) {
			return what + " (" + told + ")", objstore.ErrTransient
		}
		return what + " (" + told + ")", fs.ErrPermission
	}
	switch code := re.StatusCode; {
	case code == 404:
		return told, fs.ErrNotExist
	case code == 412:
		return told, fs.ErrExist
	case code == 408, code == 409, code == 429, code >= 500:
		return told, objstore.ErrTransient
	}
	return told, nil
}

// refused says why the server lets this process not in, or "" when it does.
func (s *Store) refused(re *azcore.ResponseError) string {
	switch re.ErrorCode {
	case "AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation":
		return "the server refuses the credentials, or they have expired: check AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, " +
			"the identity this process runs as, and this machine's clock"
	case "AuthorizationPermissionMismatch", "InsufficientAccountPermissions":
		return s.forbidden()
	case "AuthorizationFailure":
		return "the account does not let this request in: check AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN and what it allows, and the account's firewall"
	case "PublicAccessNotPermitted":
		return "the account takes no anonymous requests: give this process an identity"
	case "AccountIsDisabled":
		return "the account is disabled: enable it, or correct METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT"
	}
	if re.StatusCode == 401 || re.StatusCode == 403 {
		return s.forbidden()
	}
	return ""
}

func (s *Store) forbidden() string {
	return fmt.Sprintf("the credentials do not allow this: grant the role Storage Blob Data Contributor on container %q", s.container)
}

// expired tells whether other credentials, which there may be by now, would help.
func (s *Store) expired(re *azcore.ResponseError) bool {
	return re.StatusCode == 401 || re.ErrorCode == "AuthenticationFailed"
}

var entraCode = regexp.MustCompile(`AADSTS\d+`)

// token is for an answer of the server that hands out tokens.
func (s *Store) token(err *azidentity.AuthenticationFailedError) (what string, class error) {
	told := entraCode.FindString(err.Error())
	if err.RawResponse != nil {
		if code := err.RawResponse.StatusCode; code >= 500 || code == 429 || code == 408 {
			return fmt.Sprintf("no token for the credentials (HTTP %d)", code), objstore.ErrTransient
		}
		told = strings.TrimSpace(fmt.Sprintf("HTTP %d %s", err.RawResponse.StatusCode, told))
	} else if what, class, ok := trouble.Network(err, "the server of tokens cannot be reached: check the network"); ok {
		return what, class
	}
	return fmt.Sprintf("the credentials are refused or have expired (%s): check AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or the identity of this pod", told), fs.ErrPermission
}

// classifyNetwork is for what failed without an answer.
func (s *Store) classifyNetwork(err error) (what string, class error) {
	if what, class, ok := trouble.Network(err, "check METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT and the network"); ok {
		return what, class
	}
	if strings.Contains(err.Error(), "Credential") {
		return "there are no credentials: give the pod an identity, or set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN", fs.ErrPermission
	}
	return trouble.Last(err).Error(), nil
}
