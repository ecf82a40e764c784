package serve

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

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

// TestReplacedLauncher: a driver that starts after an upgrade serves what
// deployed flows pin.
func TestReplacedLauncher(t *testing.T) {
	cfg := config(t)
	cfg.LauncherDir, cfg.KeepLaunchers = t.TempDir(), 20
	path := filepath.Join(cfg.LauncherDir, "launcher-linux-arm64")
	for _, build := range []string{"the first", "the second"} {
		if err := os.WriteFile(path, []byte(build), 0o755); err != nil {
			t.Fatal(err)
		}
		s := start(t, cfg)
		url := fmt.Sprintf("http://%s/launcher/arm64/%x", s.Addresses().HTTP, sha256.Sum256([]byte("the first")))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		if code, body := get(t, http.DefaultClient, request); code != 200 || body != "the first" {
			t.Errorf("with %s build there: %d %s", build, code, body)
		}
		http.DefaultClient.CloseIdleConnections()
		stop(t, s)
	}
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
	cfg.TLSCert, cfg.TLSKey = objstoretest.SelfSigned(t)
	s := start(t, cfg)
	if !s.Addresses().TLS {
		t.Error("not served with TLS")
	}
	open(t, s, cfg.TLSCert, "kfp-1", scheduletest.Flow("only end"))

	certificate, key := objstoretest.SelfSigned(t)
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
