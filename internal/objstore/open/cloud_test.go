package open_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/millrace/millrace/internal/objstore/objstoretest"
)

// cloud is a store and its server of tokens as a process in that cloud meets
// them: under their own names, behind TLS and a proxy, asking for a token that
// comes to an end.
//
//	process ──> proxy ──> TLS of a private authority ──> is the token good? ──> emulator
//	                                                └──> tokens
type cloud struct {
	service
	// certificate is the private authority's.
	certificate string
	environment []string

	mu sync.Mutex
	// ends are the requests that the token at the time does not outlive.
	ends []string
	// forGood refuses every token from the first end on, noMore hands out none.
	forGood, noMore bool
	// lives is how long tokens do.
	lives  time.Duration
	seen   map[string]int
	issued int
	ended  bool
	// good is the least number of a token that is taken.
	good int
}

// service is what differs by cloud.
type service struct {
	root     string
	partSize int64
	backend  *httputil.ReverseProxy
	// hosts hand out tokens, others are the store.
	hosts []string
	// hand answers who asks for a token with the one of that number.
	hand func(w http.ResponseWriter, r *http.Request, number int, lives time.Duration)
	// number reads a token from a request for the store.
	number func(r *http.Request) int
	// kind names a request by what it moves: "part", "get", "" for others.
	kind        func(r *http.Request) string
	refuse      func(w http.ResponseWriter)
	noToken     func(w http.ResponseWriter)
	environment func(folder string) []string
}

func newCloud(t *testing.T, s service) *cloud {
	t.Helper()
	folder := t.TempDir()
	certificate, key := objstoretest.SelfSigned(t, "*.googleapis.com", "*.blob.core.windows.net", "login.microsoftonline.com", "*.example")
	shown, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{service: s, seen: map[string]int{}, good: 1, certificate: certificate}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	front := httptest.NewUnstartedServer(c)
	front.Config.ErrorLog, s.backend.ErrorLog = quiet, quiet
	front.TLS = &tls.Config{Certificates: []tls.Certificate{shown}}
	front.StartTLS()
	t.Cleanup(front.Close)
	proxy := httptest.NewServer(tunnel(front.Listener.Addr().String()))
	t.Cleanup(proxy.Close)
	c.environment = append(s.environment(folder), "HTTPS_PROXY="+proxy.URL, "HOME="+folder, "PATH=/nonexistent")
	return c
}

// tunnel is a proxy that takes every connection to one address.
func tunnel(to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server, err := net.Dial("tcp", to)
		if err != nil || r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer server.Close()
		w.WriteHeader(http.StatusOK)
		client, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer client.Close()
		go func() {
			_, _ = io.Copy(server, buffered)
			_ = server.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(client, server)
	})
}

// plan says which requests tokens do not outlive, and what there is after them.
func (c *cloud) plan(ends []string, lives time.Duration, forGood, noMore bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends, c.lives, c.forGood, c.noMore = slices.Clone(ends), lives, forGood, noMore
}

// tokens is how many were handed out.
func (c *cloud) tokens() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.issued
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, host := range c.hosts {
		if r.Host == host {
			c.token(w, r)
			return
		}
	}
	if c.lets(c.kind(r), c.number(r)) {
		c.backend.ServeHTTP(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	c.refuse(w)
}

// lets tells whether a token is good for a request, which may be its end.
func (c *cloud) lets(kind string, number int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[kind]++
	for i, end := range c.ends {
		if end == fmt.Sprintf("%s %d", kind, c.seen[kind]) {
			c.ends[i], c.good, c.ended = "", c.issued+1, true
		}
	}
	return number >= c.good && !(c.ended && c.forGood)
}

func (c *cloud) token(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended && c.noMore {
		c.noToken(w)
		return
	}
	// What is not the token itself, an SDK asks on the way to it.
	if r.Method == http.MethodPost || !strings.HasPrefix(r.Host, "login.") {
		c.issued++
	}
	c.hand(w, r, c.issued, c.lives)
}

func backend(t *testing.T, address string, change func(*httputil.ProxyRequest)) *httputil.ReverseProxy {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
			change(r)
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	kind := "application/json"
	if strings.HasPrefix(text, "<") {
		kind = "application/xml"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func after(text, prefix string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(text, prefix))
	return n
}

// amazon is S3 by an endpoint of one's own, with the credentials of a pod's
// role.
func amazon(t *testing.T) service {
	server := objstoretest.VersityGW(t)
	return service{
		root: "s3://" + server.Bucket + "/root", partSize: leastPart, hosts: []string{"tokens.example"},
		backend: backend(t, server.Endpoint, func(r *httputil.ProxyRequest) { signed(t, r) }),
		hand: func(w http.ResponseWriter, _ *http.Request, number int, lives time.Duration) {
			answer(w, http.StatusOK, fmt.Sprintf(`{"AccessKeyId": %q, "SecretAccessKey": %q, "Token": "token-%d", "Expiration": %q}`,
				os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), number, time.Now().Add(lives).UTC().Format(time.RFC3339)))
		},
		number: func(r *http.Request) int { return after(r.Header.Get("X-Amz-Security-Token"), "token-") },
		kind: func(r *http.Request) string {
			word, _, _ := strings.Cut(kind(r), " ")
			return word
		},
		refuse:  func(w http.ResponseWriter) { answer(w, 400, "<Error><Code>ExpiredToken</Code></Error>") },
		noToken: func(w http.ResponseWriter) { answer(w, 403, `{"code": "AccessDenied", "message": "no"}`) },
		environment: func(string) []string {
			return []string{
				"METAFLOW_S3_ENDPOINT_URL=https://s3.example", "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
				"AWS_CONTAINER_CREDENTIALS_FULL_URI=https://tokens.example/role",
			}
		},
	}
}

// signed signs a request anew without its token, of which versitygw has none.
func signed(t *testing.T, r *httputil.ProxyRequest) {
	r.Out.Host = r.In.Host
	r.Out.Header.Del("X-Amz-Security-Token")
	keys := aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, r.Out, r.Out.Header.Get("X-Amz-Content-Sha256"), "s3", "us-east-1", time.Now()); err != nil {
		t.Error(err)
	}
}

// google is GCS under its own name, with workload identity federation.
func google(t *testing.T) service {
	server := objstoretest.FakeGCS(t)
	proxy := backend(t, server.Endpoint, func(*httputil.ProxyRequest) {})
	proxy.ModifyResponse = func(answer *http.Response) error {
		if path, ok := strings.CutPrefix(answer.Header.Get("Location"), server.Endpoint); ok {
			answer.Header.Set("Location", "https://storage.googleapis.com"+path)
		}
		return nil
	}
	return service{
		root: "gs://" + server.Bucket + "/root", partSize: 256 << 10, hosts: []string{"sts.googleapis.com"}, backend: proxy,
		hand: func(w http.ResponseWriter, _ *http.Request, number int, lives time.Duration) {
			answer(w, http.StatusOK, fmt.Sprintf(`{"access_token": "token-%d", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
				"token_type": "Bearer", "expires_in": %d}`, number, max(1, int(lives.Seconds()))))
		},
		number: func(r *http.Request) int { return after(r.Header.Get("Authorization"), "Bearer token-") },
		kind: func(r *http.Request) string {
			switch {
			case r.Method == http.MethodPut && r.ContentLength > 0:
				return "part"
			case r.Header.Get("Range") != "":
				return "get"
			}
			return ""
		},
		refuse:  func(w http.ResponseWriter) { answer(w, 401, `{"error": {"message": "Invalid Credentials"}}`) },
		noToken: func(w http.ResponseWriter) { answer(w, 400, `{"error": "invalid_grant"}`) },
		environment: func(folder string) []string {
			subject, credentials := filepath.Join(folder, "subject"), filepath.Join(folder, "credentials.json")
			write(t, subject, "pod")
			write(t, credentials, fmt.Sprintf(`{"type": "external_account", "audience": "//iam.googleapis.com/x", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
				"token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"file": %q}}`, subject))
			return []string{"GOOGLE_APPLICATION_CREDENTIALS=" + credentials}
		},
	}
}

// microsoft is Azure under its own names, with a workload's identity.
func microsoft(t *testing.T) service {
	server := objstoretest.AzuriteOverTLS(t)
	const authority = "https://login.microsoftonline.com/tenant"
	return service{
		root: "azure://" + server.Container + "/root", partSize: 256 << 10, hosts: []string{"login.microsoftonline.com"},
		backend: backend(t, server.Endpoint, func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host }), // it names the account
		hand: func(w http.ResponseWriter, r *http.Request, number int, lives time.Duration) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/discovery/instance"):
				answer(w, http.StatusOK, `{"tenant_discovery_endpoint": "`+authority+`/v2.0/.well-known/openid-configuration", "metadata": []}`)
			case r.Method == http.MethodGet:
				answer(w, http.StatusOK, `{"issuer": "`+authority+`/v2.0", "token_endpoint": "`+authority+`/oauth2/v2.0/token", "authorization_endpoint": "`+authority+`/oauth2/v2.0/authorize"}`)
			default:
				answer(w, http.StatusOK, fmt.Sprintf(`{"token_type": "Bearer", "expires_in": %d, "access_token": %q}`, int(lives.Seconds()), claims(t, number)))
			}
		},
		number: func(r *http.Request) int { return claimed(r.Header.Get("Authorization")) },
		kind: func(r *http.Request) string {
			switch {
			case r.URL.Query().Get("comp") == "block":
				return "part"
			case r.Header.Get("X-Ms-Range") != "":
				return "get"
			}
			return ""
		},
		refuse: func(w http.ResponseWriter) {
			w.Header().Set("WWW-Authenticate", "Bearer authorization_uri="+authority+"/oauth2/authorize resource_id=https://storage.azure.com")
			w.Header().Set("X-Ms-Error-Code", "InvalidAuthenticationInfo")
			answer(w, 401, "<Error><Code>InvalidAuthenticationInfo</Code></Error>")
		},
		noToken: func(w http.ResponseWriter) {
			answer(w, 400, `{"error": "invalid_client", "error_description": "AADSTS700024: Client assertion is not within its valid time range."}`)
		},
		environment: func(folder string) []string {
			subject := filepath.Join(folder, "subject")
			write(t, subject, "pod")
			return []string{
				"METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT=https://" + server.Account + ".blob.core.windows.net",
				"AZURE_TENANT_ID=tenant", "AZURE_CLIENT_ID=client", "AZURE_FEDERATED_TOKEN_FILE=" + subject, "AZURE_TOKEN_CREDENTIALS=WorkloadIdentityCredential",
			}
		},
	}
}

// claims is a token that Azurite takes: it does not check who signed it.
func claims(t *testing.T, number int) string {
	now := time.Now().Unix()
	text, err := json.Marshal(map[string]any{
		"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/tenant/", "iat": now - 60, "nbf": now - 60, "exp": now + 3600, "number": number,
	})
	if err != nil {
		t.Error(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(text) + "." + encode([]byte("{}"))
}

func claimed(header string) int {
	parts := strings.Split(header, ".")
	if len(parts) != 3 {
		return 0
	}
	var said struct{ Number int }
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &said) != nil {
		return 0
	}
	return said.Number
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
