package azure_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/azure"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
)

// everyCall returns the errors of all operations on a store, by name.
func everyCall(ctx context.Context, s *azure.Store) map[string]error {
	errs := objstoretest.Calls(ctx, s)
	errs["part"] = part(ctx, s)
	return errs
}

// someCalls is one call to a server whose name has to be looked up in vain,
// which takes its time, and every call to others.
func someCalls(ctx context.Context, s *azure.Store, endpoint string) map[string]error {
	if !strings.HasPrefix(endpoint, "https://") {
		return everyCall(ctx, s)
	}
	_, err := s.Stat(ctx, "k")
	return map[string]error{"stat": err}
}

func part(ctx context.Context, s *azure.Store) error {
	up, err := s.Begin(ctx, "k", 1<<30, objstore.PutOptions{})
	if err != nil {
		return err
	}
	return up.Part(ctx, 0, objstore.Bytes("x"))
}

func open(t *testing.T, cfg azure.Config, root string) *azure.Store {
	t.Helper()
	store, err := azure.NewClients(cfg).Store(root)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// check wants an error of one class, or of none, that says something and holds
// no secret.
func check(t *testing.T, op string, err, want error, say ...string) {
	t.Helper()
	objstoretest.WantError(t, op, err, want, say...)
	if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "sig=")) {
		t.Errorf("%s: the error holds a secret: %v", op, err)
	}
}

// secret is a key in base64.
const secret = "bWlsbHJhY2Utc2VjcmV0"

func TestWrongSettingsSayWhatToDo(t *testing.T) {
	server := objstoretest.Azurite(t)
	right := azure.AccountFromEnvironment(os.Getenv)
	with := func(change func(*azure.Account)) azure.Account {
		account := right
		change(&account)
		return account
	}
	for _, r := range []struct {
		name      string
		account   azure.Account
		container string
		class     error // nil: none of the port's
		say       []string
	}{
		{"no container", right, "nowhere", nil, []string{`there is no container "nowhere"`, "METAFLOW_DATASTORE_SYSROOT_AZURE"}},
		{"wrong key", with(func(a *azure.Account) { a.Key = secret }), server.Container, fs.ErrPermission, []string{"AZURE_STORAGE_KEY"}},
		{
			"wrong signature", with(func(a *azure.Account) {
				a.Key, a.SAS = "", "?sv=2024-11-04&ss=b&srt=sco&sp=rwdlac&se=2020-01-01T00:00:00Z&sig="+secret
			}), server.Container,
			fs.ErrPermission,
			[]string{"AZURE_STORAGE_SAS_TOKEN"},
		},
		{"key not in base64", with(func(a *azure.Account) { a.Key = "*" }), server.Container, fs.ErrPermission, []string{"not in base64"}},
		{"a token in the clear", with(func(a *azure.Account) { a.Key = "" }), server.Container, fs.ErrPermission, []string{"tokens are not sent in the clear"}},
		{
			"no server", with(func(a *azure.Account) { a.Endpoint = "http://127.0.0.1:1/x" }), server.Container, objstore.ErrTransient,
			[]string{"refused", "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT"},
		},
		{"no such account", with(func(a *azure.Account) { a.Endpoint = "https://store.invalid" }), server.Container, objstore.ErrTransient, []string{"store.invalid", "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT"}},
		{"in the clear", with(func(a *azure.Account) { a.Endpoint = "http://store.invalid" }), server.Container, fs.ErrPermission, []string{"needs https"}},
		{"no endpoint", azure.Account{}, server.Container, fs.ErrPermission, []string{"METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			for op, err := range someCalls(t.Context(), open(t, azure.Config{Account: r.account}, r.container+"/root"), r.account.Endpoint) {
				check(t, op, err, r.class, append(r.say, r.container+"/root/")...)
			}
		})
	}
	connection := "DefaultEndpointsProtocol=http;AccountName=" + right.Name + ";AccountKey=" + right.Key + ";BlobEndpoint=" + right.Endpoint + ";"
	for _, err := range open(t, azure.Config{Account: azure.Account{Connection: connection}}, server.Container+"/root").List(t.Context(), "") {
		t.Errorf("by a connection string: %v", err)
	}
}

// answering is a server whose every answer is the same.
func answering(t *testing.T, status int, code string) azure.Account {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Ms-Error-Code", code)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return azure.Account{Endpoint: server.URL, Name: "account", Key: secret}
}

func TestAnswersAreClassified(t *testing.T) {
	for _, r := range []struct {
		status int
		code   string
		class  error
		say    string
	}{
		{503, "ServerBusy", objstore.ErrTransient, "ServerBusy"},
		{500, "", objstore.ErrTransient, "500"},
		{409, "ContainerBeingDeleted", objstore.ErrTransient, "ContainerBeingDeleted"},
		{403, "AuthenticationFailed", fs.ErrPermission, "clock"},
		{403, "AuthorizationPermissionMismatch", fs.ErrPermission, "Storage Blob Data Contributor"},
		{403, "AuthorizationFailure", fs.ErrPermission, "firewall"},
		{409, "PublicAccessNotPermitted", fs.ErrPermission, "identity"},
		{401, "", fs.ErrPermission, "Storage Blob Data Contributor"},
		{401, "InvalidAuthenticationInfo", fs.ErrPermission, "AZURE_STORAGE_SAS_TOKEN"},
		{403, "AccountIsDisabled", fs.ErrPermission, "enable it"},
		{404, "ContainerNotFound", nil, "there is no container"},
		{400, "InvalidQueryParameterValue", nil, "InvalidQueryParameterValue"},
	} {
		store := open(t, azure.Config{Account: answering(t, r.status, r.code)}, "container/root")
		for op, err := range everyCall(t.Context(), store) {
			check(t, op, err, r.class, r.say)
		}
	}
}

// A write request that gets no answer ends, since the driver counts on it.
func TestWriteTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	account := azure.Account{Endpoint: server.URL, Name: "account", Key: secret}
	store := open(t, azure.Config{Account: account, WriteTimeout: 50 * time.Millisecond}, "container/root")
	for op, err := range map[string]error{
		"put":    store.Put(t.Context(), "k", objstore.Bytes("x"), objstore.PutOptions{}),
		"delete": store.Delete(t.Context(), "k"),
	} {
		check(t, op, err, objstore.ErrTransient, "no answer within 50ms")
	}
}

// What is damaged on its way is refused by the server, and sent again.
func TestDamagedOnTheWay(t *testing.T) {
	server := objstoretest.Azurite(t)
	to, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host}) }}
	damage := true
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		if damage && len(content) > 0 {
			content[len(content)/2] ^= 1
		}
		r.Body = io.NopCloser(bytes.NewReader(content))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	account := azure.AccountFromEnvironment(os.Getenv)
	account.Endpoint = front.URL + to.Path
	store := open(t, azure.Config{Account: account}, server.Container+"/root")
	up, err := store.Begin(t.Context(), "parts", 5, objstore.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	send := func() map[string]error {
		return map[string]error{
			"put":  store.Put(t.Context(), "whole", objstore.Bytes("whole"), objstore.PutOptions{}),
			"part": up.Part(t.Context(), 0, objstore.Bytes("parts")),
		}
	}
	for op, err := range send() {
		objstoretest.WantError(t, op, err, objstore.ErrTransient, "what arrived is not what was sent")
	}
	damage = false
	for op, err := range send() {
		objstoretest.WantError(t, op, err, nil)
	}
	if err := up.Complete(t.Context(), 5, objstore.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"whole", "parts"} {
		if got, _, err := objstore.ReadAll(t.Context(), store, key, 100); err != nil || string(got) != key {
			t.Errorf("%s holds %q, %v", key, got, err)
		}
	}
}

// TestHeaders: what Metaflow's own client sends, in one request and in parts.
func TestHeaders(t *testing.T) {
	var mu sync.Mutex
	var visible []http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Query().Get("comp") != "block" {
			visible = append(visible, r.Header)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(server.Close)
	store := open(t, azure.Config{Account: azure.Account{Endpoint: server.URL, Name: "account", Key: secret}}, "container/root")
	const attributes = `{"cas_raw": false, "cas_version": 1}`
	opts := objstore.PutOptions{IfAbsent: true, Metadata: objstore.Metadata{objstore.UserAttributes: attributes}}
	if err := store.Put(t.Context(), "k", objstore.Bytes("x"), opts); err != nil {
		t.Fatal(err)
	}
	up, err := store.Begin(t.Context(), "k", 1, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(up.Part(t.Context(), 0, objstore.Bytes("x")), up.Complete(t.Context(), 1, opts)); err != nil {
		t.Fatal(err)
	}
	if len(visible) != 2 {
		t.Fatalf("%d requests show the object", len(visible))
	}
	for i, h := range visible {
		if h.Get("X-Ms-Meta-Metaflow_user_attributes") != attributes || h.Get("If-None-Match") != "*" {
			t.Errorf("put %d: %v", i, h)
		}
	}
}
