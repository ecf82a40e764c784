package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "the token"

func config(t *testing.T) Config {
	return Config{
		Listen: "127.0.0.1:0", HTTPListen: "127.0.0.1:0", Store: filepath.Join(t.TempDir(), "driver.db"), Token: token,
		Policy: schedule.Default(), LongPoll: time.Second, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// open opens a run at the server.
func open(t *testing.T, s *Server, ca, runID string, def *flowdef.Definition) *driverclient.Client {
	t.Helper()
	c, err := driverclient.Dial(driverclient.Config{Address: s.Addresses().GRPC, Token: token, CA: ca, Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	raw, err := json.Marshal(def)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if err := c.OpenRun(t.Context(), driverclient.OpenRun{RunID: runID, Definition: raw, DefinitionSHA256: hex.EncodeToString(sum[:])}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRefusals(t *testing.T) {
	certificate, key := selfSigned(t)
	for _, tt := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"no token", func(c *Config) { c.Token = "" }, "MILLRACE_TOKEN"},
		{"no store", func(c *Config) { c.Store = "" }, "--store"},
		{"every interface without TLS", func(c *Config) { c.Listen = ":0" }, "--listen"},
		{"off loopback without TLS", func(c *Config) { c.HTTPListen = "0.0.0.0:0" }, "--http-listen"},
		{"no port", func(c *Config) { c.Listen = "127.0.0.1" }, "--listen"},
		{"half of TLS", func(c *Config) { c.TLSCert = certificate }, "--tls-key"},
		{"the wrong way round", func(c *Config) { c.TLSCert, c.TLSKey = key, certificate }, "--tls-cert"},
		{"no such certificate", func(c *Config) { c.TLSCert, c.TLSKey = "/nowhere", key }, "/nowhere"},
		{"headers", func(c *Config) { c.ServiceHeaders = `["x-api-key"]` }, "METAFLOW_SERVICE_HEADERS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t)
			tt.change(&cfg)
			s, err := Start(t.Context(), cfg)
			if err == nil {
				stop(t, s)
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that names %s", err, tt.says)
			}
		})
	}
}

func TestOneDriverPerStore(t *testing.T) {
	cfg := config(t)
	s := start(t, cfg)
	if _, err := Start(t.Context(), cfg); err == nil {
		t.Error("a second driver took the store")
	}
	cfg.Store += "2"
	cfg.Listen = s.Addresses().GRPC
	if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a taken port: %v", err)
	}
}

// TestStopAndStart: runs outlive the server, also when it goes down with a
// question held open and a lease being renewed.
func TestStopAndStart(t *testing.T) {
	cfg := config(t)
	cfg.LongPoll = 20 * time.Second
	s := start(t, cfg)
	c := open(t, s, "", "kfp-1", scheduletest.Flow("only end"))
	for worker, incarnation := range []string{"w0", "w1"} {
		if _, err := c.JoinPool(t.Context(), driverclient.Join{Pool: "only", Worker: worker, Incarnation: incarnation, PodUID: incarnation}); err != nil {
			t.Fatal(err)
		}
	}
	leased, err := c.AcquireLease(t.Context(), "w0", 0, "")
	if err != nil || leased.Task == nil {
		t.Fatalf("%+v, %v", leased, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	go func() {
		defer close(held)
		_, _ = c.AcquireLease(ctx, "w1", 0, "")
	}()
	for s.dispatcher.Stats().Parked.Load() == 0 {
		runtime.Gosched()
	}
	stop(t, s)
	cancel()
	<-held

	s = start(t, cfg)
	again := open(t, s, "", "kfp-1", scheduletest.Flow("only end"))
	if got, err := again.AcquireLease(t.Context(), "w0", 0, ""); err != nil || got.Task == nil || got.Task.Token != leased.Task.Token {
		t.Errorf("after the restart: %+v, %v", got, err)
	}
	if err := s.WorkerGone(t.Context(), "kfp-1", "w0"); err != nil {
		t.Error(err)
	}
	if got, err := again.AcquireLease(t.Context(), "w1", 0, ""); err != nil || got.Task == nil || got.Task.Ref != leased.Task.Ref {
		t.Errorf("after the worker's end: %+v, %v", got, err)
	}
}

func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Start(ctx, config(t))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestHTTP(t *testing.T) {
	cfg := config(t)
	cfg.LauncherDir = t.TempDir()
	binary := []byte("a launcher")
	if err := os.WriteFile(filepath.Join(cfg.LauncherDir, "launcher-linux-arm64"), binary, 0o755); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(binary))
	s := start(t, cfg)
	for _, tt := range []struct {
		path, token string
		code        int
		says        string
	}{
		{"/livez", "", 200, "ok"},
		{"/readyz", "", 200, "ok"},
		{"/metrics", "", 401, "token"},
		{"/metrics", "guess", 401, "token"},
		{"/metrics", token, 200, "millrace_events_total"},
		{"/launcher/arm64/" + sum, "", 401, "token"},
		{"/launcher/arm64/" + sum, token, 200, "a launcher"},
		{"/launcher/amd64/" + sum, token, 404, "--launcher-dir"},
		{"/launcher/arm64/" + strings.Repeat("0", 64), token, 404, "--launcher-dir"},
		{"/launcher/arm64/..%2f..%2fdriver.db", token, 404, ""},
		{"/", token, 404, ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addresses().HTTP+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.token != "" {
			request.Header.Set("Authorization", "Bearer "+tt.token)
		}
		code, body := get(t, http.DefaultClient, request)
		if code != tt.code || !strings.Contains(body, tt.says) {
			t.Errorf("GET %s with %q: %d %s", tt.path, tt.token, code, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func get(t *testing.T, client *http.Client, request *http.Request) (code int, body string) {
	t.Helper()
	reply, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	raw, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(raw)
}

// TestTLS serves both ports with a certificate, and the next one when it is
// renewed.
func TestTLS(t *testing.T) {
	cfg := config(t)
	cfg.TLSCert, cfg.TLSKey = selfSigned(t)
	s := start(t, cfg)
	if !s.Addresses().TLS {
		t.Error("not served with TLS")
	}
	open(t, s, cfg.TLSCert, "kfp-1", scheduletest.Flow("only end"))

	certificate, key := selfSigned(t)
	later := time.Now().Add(time.Minute)
	for from, to := range map[string]string{key: cfg.TLSKey, certificate: cfg.TLSCert} {
		if err := errors.Join(os.Rename(from, to), os.Chtimes(to, later, later)); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	raw, err := os.ReadFile(cfg.TLSCert)
	if err != nil || !pool.AppendCertsFromPEM(raw) {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addresses().HTTP+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	if code, body := get(t, client, request); code != 200 {
		t.Errorf("with the renewed certificate: %d %s", code, body)
	}
}

func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	err = errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// TestHeartbeats: open runs are beaten, with the headers; ended ones and
// those without a service are not.
func TestHeartbeats(t *testing.T) {
	beaten := make(chan string, 10)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		beaten <- r.Method + " " + r.URL.Path + " " + r.Header.Get("x-api-key")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer service.Close()
	cfg := config(t)
	cfg.ServiceHeaders = `{"x-api-key": "k"}`
	s := start(t, cfg)
	with, without := scheduletest.Flow("only end"), scheduletest.Flow("only end")
	with.Environment = map[string]string{"METAFLOW_SERVICE_URL": service.URL + "/"}
	c := open(t, s, "", "kfp-1", with)
	open(t, s, "", "kfp-2", without)

	headers, err := serviceHeaders(cfg.ServiceHeaders)
	if err != nil {
		t.Fatal(err)
	}
	h := newHeartbeats(s.store, s.dispatcher, headers, cfg.Logger)
	defer h.client.CloseIdleConnections()
	for range 2 {
		h.beatAll(t.Context())
		if got := <-beaten; got != "POST /flows/TestFlow/runs/kfp-1/heartbeat k" {
			t.Errorf("beat: %s", got)
		}
	}
	if !h.runs["kfp-1"].failed || h.runs["kfp-2"].url != "" {
		t.Errorf("runs: %+v", h.runs)
	}
	if err := c.CancelRun(t.Context(), "kfp-1", "by hand"); err != nil {
		t.Fatal(err)
	}
	h.beatAll(t.Context())
	if len(beaten) > 0 || h.runs["kfp-1"] != nil {
		t.Errorf("a cancelled run is beaten: %s", <-beaten)
	}
}
