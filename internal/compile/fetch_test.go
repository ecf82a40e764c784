package compile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// What the script must not hold: Kubernetes, Argo and KFP would expand it.
func TestFetchScriptIsLiteral(t *testing.T) {
	if strings.ContainsAny(fetchScript, "$") || strings.Contains(fetchScript, "{{") {
		t.Error("the script has a $ or a {{")
	}
	if len(fetchScript) > 2500 {
		t.Errorf("the script has %d bytes; it stands in every pod's spec several times", len(fetchScript))
	}
}

// payload stands for the launcher: it tells what it was started with.
const payload = "#!/bin/sh\necho \"args:$*\"\necho \"token:$MILLRACE_TOKEN\"\nls -ld \"$(dirname \"$0\")\" | cut -c1-10\n"

type fetchServer struct {
	*httptest.Server
	pin string

	mu       sync.Mutex
	requests []*http.Request
}

// hangUp as an answer ends the connection in the middle of the body, evil
// sends other bytes.
const (
	hangUp = -1
	evil   = -2
)

// newFetchServer answers the first requests as told, all others well.
func newFetchServer(t *testing.T, tls bool, answers ...int) *fetchServer {
	sum := sha256.Sum256([]byte(payload))
	s := &fetchServer{pin: hex.EncodeToString(sum[:])}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.requests)
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		if n >= len(answers) {
			_, _ = w.Write([]byte(payload))
			return
		}
		switch answers[n] {
		case hangUp:
			w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
			_, _ = w.Write([]byte(payload[:10]))
			panic(http.ErrAbortHandler)
		case evil:
			_, _ = w.Write([]byte("#!/bin/sh\necho evil\n"))
		default:
			http.Error(w, "not now", answers[n])
		}
	}))
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// run starts the script as a pod would, with every architecture pinned.
func (s *fetchServer) run(t *testing.T, env ...string) (stdout, stderr string, code int) {
	t.Helper()
	python := os.Getenv("MILLRACE_TEST_FETCH_PYTHON")
	if python == "" {
		var err error
		if python, err = exec.LookPath("python3"); err != nil {
			t.Skip("no python3")
		}
	}
	cfg := fetchConfig()
	cfg.FetchURL, cfg.Pins = s.URL, map[string]string{"amd64": s.pin, "arm64": s.pin}
	c := (&compiler{cfg: &cfg}).container("image", "run", "--step", "train")
	cmd := exec.CommandContext(t.Context(), python, append(c.Command[1:], c.Args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(), "MILLRACE_TOKEN=s3cret", "http_proxy=http://127.0.0.1:1"}, env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func wantLauncher(t *testing.T, stdout, stderr string, code int) {
	t.Helper()
	want := "args:run --step train --definition " + config().DefinitionURL + " --definition-sha256 " + strings.Repeat("d", 64) + " --executor-input {{$}}\ntoken:s3cret\ndrwx------\n"
	if code != 0 || stdout != want {
		t.Errorf("exit %d, stdout %q, want %q; stderr %s", code, stdout, want, stderr)
	}
}

func TestFetch(t *testing.T) {
	s := newFetchServer(t, false)
	stdout, stderr, code := s.run(t)
	wantLauncher(t, stdout, stderr, code)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) != 1 {
		t.Fatalf("%d requests, want 1", len(s.requests))
	}
	r := s.requests[0]
	if !strings.HasPrefix(r.URL.Path, "/launcher/") || !strings.HasSuffix(r.URL.Path, "/"+s.pin) {
		t.Errorf("asked for %s", r.URL.Path)
	}
	if got := r.Header.Get("Authorization"); got != "Bearer s3cret" {
		t.Errorf("Authorization %q", got)
	}
}

// A driver that is down, or hangs up, is waited for.
func TestFetchWaits(t *testing.T) {
	s := newFetchServer(t, false, http.StatusServiceUnavailable, hangUp)
	stdout, stderr, code := s.run(t)
	wantLauncher(t, stdout, stderr, code)
	if !strings.Contains(stderr, "again in 1 s") || !strings.Contains(stderr, "again in 2 s") {
		t.Errorf("stderr does not say so: %s", stderr)
	}
}

func TestFetchRefuses(t *testing.T) {
	for name, status := range map[string]int{"a wrong token": 401, "a launcher the driver does not have": 404} {
		s := newFetchServer(t, false, status)
		_, stderr, code := s.run(t)
		if code != 1 || !strings.Contains(stderr, fmt.Sprint(status)) || !strings.HasSuffix(stderr, ": not now\n") {
			t.Errorf("%s: exit %d, stderr %s", name, code, stderr)
		}
	}
}

// Bytes with another digest are never run.
func TestFetchChecksTheDigest(t *testing.T) {
	s := newFetchServer(t, false, evil, http.StatusForbidden)
	stdout, stderr, code := s.run(t)
	if code != 1 || stdout != "" || !strings.Contains(stderr, "want "+s.pin) {
		t.Errorf("exit %d, stdout %q, stderr %s", code, stdout, stderr)
	}
}

func TestFetchOverTLS(t *testing.T) {
	s := newFetchServer(t, true)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(ca), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"text": ca, "path": file} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := s.run(t, "MILLRACE_DRIVER_CA="+value)
			wantLauncher(t, stdout, stderr, code)
		})
	}
}

func TestFetchUnknownArchitecture(t *testing.T) {
	s := newFetchServer(t, false)
	cmd := exec.Command("python3", "-c", fetchScript, s.URL, "sparc="+s.pin)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "pins no launcher for") {
		t.Errorf("%v: %s", err, out)
	}
}
