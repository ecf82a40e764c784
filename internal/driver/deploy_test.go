package driver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/millrace/millrace/internal/compile"
	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/flowdef"
	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/kfp/kfptest"
)

// shell runs the program's commands against a server, as a user would.
type shell struct {
	t   *testing.T
	env map[string]string
	in  string
}

func newShell(t *testing.T, s *kfptest.Server) *shell {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	write(t, token, "tok\n")
	write(t, filepath.Join(dir, "launcher"), "the launcher")
	s.Token = "tok"
	return &shell{t: t, env: map[string]string{
		"METAFLOW_KUBEFLOW_PIPELINES_URL": s.URL, "KF_PIPELINES_SA_TOKEN_PATH": token, "MILLRACE_TOKEN_FILE": token,
		"MILLRACE_DRIVER": "127.0.0.1:1", "MILLRACE_DRIVER_HTTP": "http://127.0.0.1:1", "MILLRACE_LAUNCHER_DIR": dir,
	}}
}

func (s *shell) run(args ...string) (stdout, stderr string, code int) {
	var out, errOut bytes.Buffer
	code = Main(s.t.Context(), args, &Env{
		Lookup: func(name string) (string, bool) { v, ok := s.env[name]; return v, ok },
		Stdin:  strings.NewReader(s.in), Stdout: &out, Stderr: &errOut,
	})
	return out.String(), errOut.String(), code
}

// ok runs a command that must succeed and reads its JSON.
func (s *shell) ok(into any, args ...string) {
	s.t.Helper()
	stdout, stderr, code := s.run(args...)
	if code != 0 {
		s.t.Fatalf("%v: exit %d: %s", args, code, stderr)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(stdout), into); err != nil {
			s.t.Fatalf("%v: %v in %q", args, err, stdout)
		}
	}
}

// fails runs a command that must fail and say so.
func (s *shell) fails(want string, args ...string) {
	s.t.Helper()
	if stdout, stderr, code := s.run(args...); code != 1 || !strings.Contains(stderr, want) {
		s.t.Errorf("%v: exit %d, stdout %q, stderr %q; want 1 and %q", args, code, stdout, stderr, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func definition(t *testing.T) string {
	d := flowdef.Definition{
		Schema: 1, Flow: "Some", Pipeline: "some", Script: "some.py", StartStep: "start", EndStep: "end",
		Steps: []flowdef.Step{
			{Name: "start", Type: flowdef.Start, Next: []string{"end"}, Executable: "python"},
			{Name: "end", Type: flowdef.End, Executable: "python"},
		},
		Parameters: []flowdef.Parameter{
			{Name: "alpha", Type: "float", Default: json.RawMessage("0.5")},
			{Name: "word", Type: "str", Required: true},
		},
		CodePackage: flowdef.CodePackage{URL: "/x", SHA1: strings.Repeat("a", 40), SHA256: strings.Repeat("b", 64), Size: 1, Metadata: "{}"},
		Datastore:   flowdef.Datastore{Type: "local", Root: "/r"}, Owner: "ada", Python: "/usr/bin/python3", MetaflowVersion: "2.19",
		MaxWorkers: 2, MaxSplits: 10,
	}
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "definition.json")
	write(t, path, string(raw))
	return path
}

func TestDeployAndTrigger(t *testing.T) {
	server := kfptest.New(t)
	sh := newShell(t, server)
	def := definition(t)
	var first, second deployReport
	sh.ok(&first, "deploy", "--definition", def, "--definition-url", "/r/def", "--json")
	sh.ok(&second, "deploy", "--definition", def, "--definition-url", "/r/def", "--json")
	if first.Pipeline != "some" || first.VersionID == "" || second.VersionID != first.VersionID || !second.Unchanged {
		t.Errorf("deployed %+v, then %+v", first, second)
	}

	sh.in = `{"word": "costs $$5, {{workflow.name}}\n$(HOME) ä", "alpha": 1e-3}`
	var run triggerReport
	sh.ok(&run, "trigger", "--pipeline", "some", "--parameters", "-", "--json", "--run-name", "mine")
	if run.RunID != "kfp-"+run.KFPRunID {
		t.Errorf("run %+v", run)
	}
	started := server.Run(run.KFPRunID)
	given := started["runtime_config"].(map[string]any)["parameters"].(map[string]any)
	if given["alpha"] != "1e-3" || given["word"] != elsewhere || started["display_name"] != "mine" {
		t.Errorf("started with %v", started)
	}
	exact, err := base64.RawURLEncoding.DecodeString(given["millrace_parameters"].(string))
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]json.RawMessage
	if json.Unmarshal(exact, &got) != nil || json.Unmarshal([]byte(sh.in), &want) != nil {
		t.Fatalf("exact values %s", exact)
	}
	for name := range want {
		if string(got[name]) != string(want[name]) {
			t.Errorf("%s: exact value %s, want %s", name, got[name], want[name])
		}
	}

	for in, message := range map[string]string{
		`{"word": "x", "beta": 1}`:                  `has no parameter "beta"; it has alpha, word`,
		`{"alpha": 1}`:                              "needs a value for word",
		`{"word": "x", "millrace_parameters": "x"}`: `has no parameter "millrace_parameters"`,
		`{"word": "x", "word": "y"}`:                `"word" is there twice`,
		`["word"]`:                                  "want a JSON object",
		`{"word": `:                                 "word",
		`{"word": "` + strings.Repeat("x", 60_000) + `"}`: "carries at most 64",
		`{"word": "x"} {}`: "data after",
	} {
		sh.in = in
		sh.fails(message, "trigger", "--pipeline", "some", "--parameters", "-")
	}
	sh.fails("deploy the flow first", "trigger", "--pipeline", "other")
	sh.fails("--pipeline is missing", "trigger")
	sh.fails(`no version "v9"`, "trigger", "--pipeline", "some", "--version", "v9")
	if n := server.Count("POST /runs"); n != 1 {
		t.Errorf("%d runs started, want 1", n)
	}
}

// A resumed run names the run before it, and gives no values of its own.
func TestTriggerResume(t *testing.T) {
	server := kfptest.New(t)
	sh := newShell(t, server)
	sh.ok(new(deployReport), "deploy", "--definition", definition(t), "--definition-url", "/r/def", "--json")
	const origin = "kfp-0f8fad5b-d9cb-469f-a165-70867728950e"
	var run triggerReport
	sh.ok(&run, "trigger", "--pipeline", "some", "--resume-from", origin, "--resume-step", "start", "--json")
	given := server.Run(run.KFPRunID)["runtime_config"].(map[string]any)["parameters"].(map[string]any)
	document := map[string]any{"inputs": map[string]any{"parameterValues": given}}
	given["millrace_run"] = run.KFPRunID
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	in, err := executorinput.Parse(string(raw))
	if err != nil || in.Resume == nil || *in.Resume != (executorinput.Resume{OriginRun: origin, Step: "start"}) || len(in.Parameters) > 0 {
		t.Errorf("the first pod reads %+v, %v out of %s", in, err, raw)
	}
	if text, err := in.ParametersJSON([]flowdef.Parameter{{Name: "word", Type: "str", Required: true}}); err != nil {
		t.Errorf("parameters %s, %v", text, err)
	}

	sh.in = "{}"
	sh.fails("cannot be given with --resume-from", "trigger", "--pipeline", "some", "--resume-from", origin, "--parameters", "-")
	sh.fails("needs --resume-from", "trigger", "--pipeline", "some", "--resume-step", "start")
	sh.fails(`"SomeFlow/17" is not kfp-<uuid>`, "trigger", "--pipeline", "some", "--resume-from", "SomeFlow/17")
}

func TestDeployRefuses(t *testing.T) {
	server := kfptest.New(t)
	sh := newShell(t, server)
	def := definition(t)
	sh.fails("needs a KFP server after 2.17", "deploy", "--definition", def, "--definition-url", "/d", "--launcher", "init")
	sh.fails("--definition is missing", "deploy")
	sh.fails("definition URL: missing", "deploy", "--definition", def)
	sh.fails("no launcher in", "deploy", "--definition", def, "--definition-url", "/d", "--launcher-dir", t.TempDir())
	sh.fails("is a secret", "deploy", "--definition", def, "--definition-url", "/d", "--pod-env", "MILLRACE_TOKEN=x")
	server.Tag = "2.5.0"
	sh.fails("2.15 is the oldest", "deploy", "--definition", def, "--definition-url", "/d")
	if n := server.Count("POST"); n != 0 {
		t.Errorf("%d requests changed something", n)
	}
	sh.in = "{}"
	sh.fails("schema", "compile", "--definition", "-", "--definition-url", "/d")
}

func TestCompileWritesAFile(t *testing.T) {
	sh := newShell(t, kfptest.New(t))
	out := filepath.Join(t.TempDir(), "pipeline.yaml")
	sh.ok(nil, "compile", "--definition", definition(t), "--definition-url", "/d", "-o", out)
	raw, err := os.ReadFile(out)
	if err != nil || !bytes.Contains(raw, []byte("\n---\n")) {
		t.Errorf("%.100s, %v", raw, err)
	}
	stdout, _, _ := sh.run("compile", "--definition", definition(t), "--definition-url", "/d")
	if stdout != string(raw) {
		t.Error("the file and standard output differ")
	}
}

func TestLauncherPins(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"launcher", "launcher-linux-amd64", "launcher-linux-arm64"} {
		write(t, filepath.Join(dir, name), name)
	}
	sum := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256(raw))
	}
	here, err := launcherPins(dir, "http://127.0.0.1:80")
	if err != nil || here[runtime.GOARCH] != sum("launcher") {
		t.Errorf("pods of this machine get %v, %v", here, err)
	}
	there, err := launcherPins(dir, "https://driver:80")
	if err != nil || there["amd64"] != sum("launcher-linux-amd64") || there["arm64"] != sum("launcher-linux-arm64") {
		t.Errorf("pods of a cluster get %v, %v", there, err)
	}
}

// fakeRuns answers as the driver would.
type fakeRuns struct {
	millracev1.UnimplementedRunServiceServer
	run       *millracev1.GetRunResponse
	cancelled []string
	closed    []string
}

func (f *fakeRuns) GetRun(context.Context, *millracev1.GetRunRequest) (*millracev1.GetRunResponse, error) {
	if f.run == nil {
		return nil, status.Error(codes.NotFound, "no such run")
	}
	return f.run, nil
}

func (f *fakeRuns) CancelRun(_ context.Context, in *millracev1.CancelRunRequest) (*millracev1.CancelRunResponse, error) {
	f.cancelled = append(f.cancelled, in.GetRunId()+": "+in.GetReason())
	return &millracev1.CancelRunResponse{}, nil
}

func (f *fakeRuns) FinishRun(_ context.Context, in *millracev1.FinishRunRequest) (*millracev1.FinishRunResponse, error) {
	f.closed = append(f.closed, in.GetRunId()+": "+in.GetKfpState())
	return &millracev1.FinishRunResponse{}, nil
}

func serveRuns(t *testing.T, f *fakeRuns) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	millracev1.RegisterRunServiceServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func TestStatusTerminateRetry(t *testing.T) {
	server := kfptest.New(t)
	sh := newShell(t, server)
	sh.ok(nil, "deploy", "--definition", definition(t), "--definition-url", "/r/def", "--json")
	sh.in = `{"word":"x"}`
	var run triggerReport
	sh.ok(&run, "trigger", "--pipeline", "some", "--parameters", "-", "--json")

	runs := &fakeRuns{}
	sh.env["MILLRACE_DRIVER"] = serveRuns(t, runs)
	var report statusReport
	sh.ok(&report, "status", "--run-id", run.RunID, "--json")
	if report.KFPState != "PENDING" || report.State != "" || !strings.Contains(report.Reason, "has not heard of the run") {
		t.Errorf("before the first pod: %+v", report)
	}

	runs.run = &millracev1.GetRunResponse{
		Run: &millracev1.RunSummary{
			RunId: run.RunID, Flow: "Some", State: millracev1.RunState_RUN_STATE_RUNNING, OpenedAt: timestamppb.Now(),
			Resumed: &millracev1.Resume{OriginRun: "kfp-0", Step: "train"},
		},
		Pools: []*millracev1.PoolSummary{
			{Pool: "start", Tasks: 2, Succeeded: 2, WorkersExpected: 1, WorkersJoined: 1, Drained: true},
			{Pool: "train", Tasks: 30, Waiting: 30, WorkersExpected: 8, WaitingSince: timestamppb.New(time.Now().Add(-6*time.Minute - 10*time.Second))},
			{Pool: "skip", Drained: true},
			{Pool: "end"},
		},
	}
	report = statusReport{}
	sh.ok(&report, "status", "--run-id", run.RunID, "--json")
	if report.State != "running" || len(report.Pools) != 4 || report.Pools[1].Waiting != 30 || report.Resumes != "kfp-0" || report.ResumeStep != "train" {
		t.Errorf("%+v", report)
	}
	stdout, _, _ := sh.run("status", "--run-id", run.RunID)
	if !strings.HasPrefix(stdout, "0 of 8 workers of train started for 6 min\n") {
		t.Errorf("silence does not come first:\n%s", stdout)
	}
	if !strings.Contains(stdout, "goes on from kfp-0\n") {
		t.Errorf("what it resumes is not said:\n%s", stdout)
	}
	for pool, notTaken := range map[string]bool{"skip": true, "end": false, "start": false} {
		if found := regexp.MustCompile(`(?m)^` + pool + ` .* not taken`).MatchString(stdout); found != notTaken {
			t.Errorf("%s is shown as not taken: %t\n%s", pool, found, stdout)
		}
	}

	sh.ok(nil, "terminate", "--run-id", run.RunID, "--reason", "enough")
	if len(runs.cancelled) != 1 || runs.cancelled[0] != run.RunID+": enough" || server.Run(run.KFPRunID)["state"] != "CANCELING" {
		t.Errorf("cancelled %v, KFP %v", runs.cancelled, server.Run(run.KFPRunID)["state"])
	}
	sh.fails("only a run that has failed", "retry", "--run-id", run.RunID)
	server.SetState(run.KFPRunID, "FAILED")
	sh.ok(nil, "retry", "--run-id", run.RunID)
	if got := fmt.Sprint(runs.closed); !strings.HasSuffix(got, run.RunID+": FAILED]") {
		t.Errorf("the driver is told that the run has ended: %s", got)
	}
	if server.Run(run.KFPRunID)["state"] != "RUNNING" {
		t.Error("the run does not go on")
	}
	sh.fails("is not kfp-<uuid>", "status", "--run-id", "kfp-7")
	sh.fails("--run-id is missing", "terminate")
}

// One side out of reach is said, and the other still answers.
func TestStatusOfOneSide(t *testing.T) {
	server := kfptest.New(t)
	sh := newShell(t, server)
	const id = "kfp-00000000-0000-4000-8000-000000000099"
	runs := &fakeRuns{run: &millracev1.GetRunResponse{Run: &millracev1.RunSummary{State: millracev1.RunState_RUN_STATE_FAILED, Reason: "boom"}}}
	sh.env["MILLRACE_DRIVER"] = serveRuns(t, runs)
	stdout, _, code := sh.run("status", "--run-id", id)
	if code != 0 || !strings.Contains(stdout, "failed") || !strings.Contains(stdout, "boom") || !strings.Contains(stdout, "Kubeflow Pipelines could not be asked") {
		t.Errorf("exit %d:\n%s", code, stdout)
	}
	sh.env["MILLRACE_DRIVER"] = ""
	sh.fails("MILLRACE_DRIVER", "status", "--run-id", id)
}

// What trigger shows on KFP's pages never fails on its way there.
func FuzzValues(f *testing.F) {
	f.Add([]byte(`{"a": "x", "b": [1, null], "c": 1e400}`))
	f.Add([]byte(`{"a": "{{$}}", "a": 1}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := readValues(raw)
		if err != nil {
			return
		}
		if _, err := v.exact(); err != nil && len(raw) < maxExact/2 {
			t.Fatal(err)
		}
		for _, value := range v {
			if text, ok := shown(value); ok && !compile.Literal(text) {
				t.Fatal(text)
			}
		}
	})
}
