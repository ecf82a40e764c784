package kfp_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/kfp"
	"github.com/millrace/millrace/internal/kfp/kfptest"
)

func client(t *testing.T, s *kfptest.Server, change ...func(*kfp.Config)) *kfp.Client {
	t.Helper()
	cfg := kfp.Config{URL: s.URL + "/", Budget: time.Minute}
	for _, f := range change {
		f(&cfg)
	}
	c, err := kfp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func document(n int) []byte {
	return fmt.Appendf(nil, "{\"pipelineInfo\":{\"name\":\"p%d\"},\"root\":{\"inputDefinitions\":{\"parameters\":{\"a\":{\"parameterType\":\"STRING\"},\"b\":{\"parameterType\":\"STRING\",\"defaultValue\":\"x\",\"isOptional\":true}}}}}\n---\n{\"platforms\":{}}\n", n)
}

func TestDeploy(t *testing.T) {
	s := kfptest.New(t)
	c := client(t, s)
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	first, err := c.Deploy(t.Context(), "my flow", "what", "aaaa", document(1), at)
	if err != nil {
		t.Fatal(err)
	}
	if first.Unchanged || first.Version.Title() != "v20261124-120000-000-aaaa" {
		t.Errorf("first deployment: %+v", first)
	}
	again, err := c.Deploy(t.Context(), "my flow", "what", "aaaa", document(1), at.Add(time.Hour))
	if err != nil || !again.Unchanged || again.Version.ID != first.Version.ID {
		t.Errorf("the same content again: %+v, %v", again, err)
	}
	// All within one second of the server's clock, and on several pages.
	var last *kfp.Deployed
	for i := range 4 {
		if last, err = c.Deploy(t.Context(), "my flow", "", fmt.Sprintf("bbb%d", i), document(i), at.Add(time.Duration(i+1)*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	versions, err := c.Versions(t.Context(), first.Pipeline.ID)
	if err != nil || len(versions) != 5 || versions[0].ID != last.Version.ID {
		t.Errorf("newest of %d is %s, want %s (%v)", len(versions), versions[0].Title(), last.Version.Title(), err)
	}
	// Back to the first content: a new version, or trigger would run another.
	back, err := c.Deploy(t.Context(), "my flow", "", "aaaa", document(1), at.Add(time.Second))
	if err != nil || back.Unchanged {
		t.Errorf("an older content: %+v, %v", back, err)
	}
	full, err := c.Version(t.Context(), back.Pipeline.ID, back.Version.ID)
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := full.Inputs()
	if err != nil || len(inputs) != 2 || !inputs["a"].Required() || inputs["b"].Required() {
		t.Errorf("inputs %+v, %v", inputs, err)
	}
}

func TestRunsAndExperiments(t *testing.T) {
	s := kfptest.New(t)
	c := client(t, s)
	one, err := c.Experiment(t.Context(), "mine")
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.Experiment(t.Context(), "mine")
	if err != nil || one.ID != two.ID {
		t.Errorf("the experiment was made twice: %v, %v, %v", one, two, err)
	}
	run, err := c.CreateRun(t.Context(), kfp.NewRun{DisplayName: "r", ExperimentID: one.ID})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Retry(t.Context(), run.ID); !errors.Is(err, kfp.ErrInvalid) || !strings.Contains(err.Error(), "has not failed") {
		t.Errorf("retry of a pending run: %v", err)
	}
	s.SetState(run.ID, "FAILED")
	if err := c.Retry(t.Context(), run.ID); err != nil {
		t.Error(err)
	}
	if err := c.Terminate(t.Context(), run.ID); err != nil {
		t.Error(err)
	}
	seen, err := c.Run(t.Context(), run.ID)
	if err != nil || seen.State != "CANCELING" || seen.Ended() {
		t.Errorf("%+v, %v", seen, err)
	}
	if _, err := c.Run(t.Context(), "nobody"); !errors.Is(err, kfp.ErrNotFound) {
		t.Errorf("unknown run: %v", err)
	}
}

// A GET is repeated, a POST that may have arrived is not.
func TestRepeats(t *testing.T) {
	s := kfptest.New(t)
	left := 2
	s.Fail = func(*http.Request) int {
		if left > 0 {
			left--
			return http.StatusServiceUnavailable
		}
		return 0
	}
	c := client(t, s)
	if _, err := c.Healthz(t.Context()); err != nil {
		t.Errorf("503s were not waited out: %v", err)
	}
	left = 1
	if _, err := c.CreateRun(t.Context(), kfp.NewRun{DisplayName: "r"}); !errors.Is(err, kfp.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	if n := s.Count("POST /runs"); n != 1 {
		t.Errorf("the run was asked for %d times", n)
	}
}

// A connection that was never made is tried again, also for a POST.
func TestServerThatComesLate(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	tried := make(chan struct{}, 100)
	c, err := kfp.New(kfp.Config{URL: "http://" + address, HTTP: &http.Client{Transport: notify{tried}}})
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() { result <- c.Terminate(t.Context(), "x") }()
	<-tried
	listener, err = net.Listen("tcp", address)
	if err != nil {
		t.Skipf("the port is gone: %v", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// notify tells of each request's end.
type notify struct{ done chan struct{} }

func (n notify) RoundTrip(r *http.Request) (*http.Response, error) {
	defer func() { n.done <- struct{}{} }()
	return http.DefaultTransport.RoundTrip(r)
}

func TestErrorsSayWhatToTry(t *testing.T) {
	s := kfptest.New(t)
	s.Token = "right"
	wrong := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(wrong, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := client(t, s, func(cfg *kfp.Config) { cfg.TokenFile = wrong })
	_, err := c.Healthz(t.Context())
	if !errors.Is(err, kfp.ErrDenied) || !strings.Contains(err.Error(), "KF_PIPELINES_SA_TOKEN_PATH") {
		t.Errorf("wrong token: %v", err)
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the message shows the token: %v", err)
	}
	// The file is read each time: Kubernetes renews tokens.
	if err := os.WriteFile(wrong, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Healthz(t.Context()); err != nil {
		t.Error(err)
	}
	gone := client(t, s, func(cfg *kfp.Config) { cfg.TokenFile = wrong + "x" })
	if _, err := gone.Healthz(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no token file: %v", err)
	}
	login := http.NewServeMux()
	login.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) })
	page := kfptest.New(t)
	page.Config.Handler = login
	if _, err := client(t, page).Healthz(t.Context()); !errors.Is(err, kfp.ErrDenied) || !strings.Contains(err.Error(), "login page") {
		t.Errorf("login page: %v", err)
	}
	for _, bad := range []string{"", "ftp://x", "http://x/?a=b", "http://"} {
		if _, err := kfp.New(kfp.Config{URL: bad}); err == nil {
			t.Errorf("URL %q was taken", bad)
		}
	}
}

func TestSupported(t *testing.T) {
	for tag, want := range map[string]bool{"2.15.0": true, "v2.17.3": true, "3.0.0": true, "2.14.9": false, "1.8.22": false, "dev": true, "": true} {
		if got := (&kfp.Health{TagName: tag}).Supported() == nil; got != want {
			t.Errorf("server %q: supported %t, want %t", tag, got, want)
		}
	}
}

func TestDefinition(t *testing.T) {
	ours := `{"deploymentSpec":{"executors":{"a":{"container":{"args":["sh"]}},"b":{"container":{"args":["run","--definition","/d","--definition-sha256","ab"]}}}}}`
	for name, tt := range map[string]struct{ spec, want, fails string }{
		"alone":         {spec: ours, want: "/d ab"},
		"with platform": {spec: `{"pipeline_spec":` + ours + `,"platform_spec":{}}`, want: "/d ab"},
		"another's":     {spec: `{"deploymentSpec":{"executors":{"a":{"container":{"args":["--definition"]}},"b":{}}}}`, fails: "was not deployed by"},
		"no spec":       {spec: `[]`, fails: "read the containers"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&kfp.Version{Name: "v1", Spec: []byte(tt.spec)}).Definition()
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %+v, %v; want %q", got, err, tt.fails)
				}
				return
			}
			if err != nil || got.URL+" "+got.SHA256 != tt.want {
				t.Errorf("got %+v, %v; want %q", got, err, tt.want)
			}
		})
	}
}
