package driver

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

func TestServeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"no store", []string{"--store", ""}, "--store"},
		{"renewals too rare", []string{"--renew-every", "16s"}, "--renew-every"},
		{"renewals too often", []string{"--renew-every", "1ms"}, "--renew-every"},
		{"no lease", []string{"--lease-ttl", "0s"}, "--lease-ttl"},
		{"negative grace", []string{"--orphan-grace", "-1s"}, "--orphan-grace"},
		{"no time to write", []string{"--longest-write", "0s"}, "--longest-write"},
		{"negative budget", []string{"--infrastructure-retries", "-1"}, "--infrastructure-retries"},
		{"negative spares", []string{"--spares", "-1"}, "--spares"},
		{"no splits", []string{"--max-splits", "0"}, "--max-splits"},
		{"held longer than launchers wait", []string{"--long-poll", "1m"}, "--long-poll"},
		{"token file", []string{"--token-file", "/nowhere/token"}, "MILLRACE_TOKEN_FILE"},
		{"token on the command line", []string{"--env-MILLRACE_TOKEN", "x"}, "MILLRACE_TOKEN"},
		{"off loopback", []string{"--listen", "0.0.0.0:0"}, "--tls-cert"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sh := &shell{t: t, env: map[string]string{"MILLRACE_TOKEN": "tok"}}
			if tt.name == "token file" {
				sh.env = map[string]string{}
			}
			sh.fails(tt.says, append([]string{"serve", "--store", filepath.Join(t.TempDir(), "driver.db"), "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"}, tt.args...)...)
		})
	}
}

// TestPolicyDefaults: the flags' defaults are the documented policy.
func TestPolicyDefaults(t *testing.T) {
	var o policyOptions
	o.declare(pflag.NewFlagSet("", pflag.ContinueOnError))
	if p, err := o.policy(); err != nil || p != schedule.Default() {
		t.Errorf("%+v, %v", p, err)
	}
}

// serving runs `driver serve` and returns where it listens.
func serving(t *testing.T, args ...string) (address string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	logs, stderr := io.Pipe()
	code := make(chan int, 1)
	go func() {
		args := append([]string{"serve", "--store", filepath.Join(t.TempDir(), "driver.db"), "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"}, args...)
		code <- Main(ctx, args, &Env{
			Lookup: func(name string) (string, bool) { return "tok", name == "MILLRACE_TOKEN" },
			Stdin:  strings.NewReader(""), Stdout: io.Discard, Stderr: stderr,
		})
		_ = stderr.Close()
	}()
	found := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		defer close(found)
		lines := bufio.NewScanner(logs)
		for lines.Scan() {
			if m := regexp.MustCompile(`msg="driver serves" grpc=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if c := <-code; c != 0 {
			t.Errorf("serve ended with %d", c)
		}
		<-drained
	})
	address = <-found
	if address == "" {
		t.Fatal("serve did not come up")
	}
	return address
}

// TestRunsAndTasks lists what a launcher left at a real driver.
func TestRunsAndTasks(t *testing.T) {
	const id = "kfp-00000000-0000-4000-8000-000000000001"
	address := serving(t, "--infrastructure-delay", "0s")
	sh := &shell{t: t, env: map[string]string{"MILLRACE_TOKEN": "tok", "MILLRACE_DRIVER": address}}
	var runs []runReport
	sh.ok(&runs, "runs", "--json")
	if runs == nil || len(runs) != 0 {
		t.Errorf("runs of a new driver: %v", runs)
	}
	sh.fails("not known to the driver", "tasks", id)
	sh.fails("is not kfp-<uuid>", "tasks", "kfp-7")

	c, err := driverclient.Dial(driverclient.Config{Address: address, Token: "tok", Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	leaveARun(t, c, id)

	sh.ok(&runs, "runs", "--flow", "TestFlow", "--json")
	if len(runs) != 1 || runs[0].RunID != id || runs[0].State != "failed" || !strings.Contains(runs[0].Reason, "boom") || runs[0].EndedAt == nil {
		t.Errorf("runs: %+v", runs)
	}
	var tasks []taskReport
	sh.ok(&tasks, "tasks", id, "--json")
	for i := range tasks {
		for j := range tasks[i].Attempts {
			a := &tasks[i].Attempts[j]
			if a.StartedAt == nil || a.EndedAt == nil || time.Since(*a.EndedAt) > time.Hour {
				t.Errorf("times of %+v", a)
			}
			a.StartedAt, a.EndedAt = nil, nil
		}
	}
	want := []taskReport{
		{Step: "_parameters", Task: "params", State: "succeeded", Cloned: true, Attempts: []attemptReport{{Outcome: "succeeded", Worker: "only/0"}}},
		{Step: "only", Task: "task", State: "failed", Attempts: []attemptReport{
			{Outcome: "failed", Class: "infrastructure", Reason: "no store", Worker: "only/0"},
			{Attempt: 1, Outcome: "failed", Class: "user", Reason: "boom", ExitCode: new(int32(1)), Worker: "only/0"},
		}},
	}
	if !cmp.Equal(tasks, want) {
		t.Error(cmp.Diff(want, tasks))
	}
	stdout, _, _ := sh.run("tasks", id)
	for _, line := range []string{"succeeded, cloned", "only/task", "failed (infrastructure)", "failed (user)", "boom"} {
		if !strings.Contains(stdout, line) {
			t.Errorf("%q is not in\n%s", line, stdout)
		}
	}
	if stdout, _, _ := sh.run("runs"); !strings.Contains(stdout, id) || !strings.Contains(stdout, "boom") {
		t.Errorf("runs:\n%s", stdout)
	}
}

// leaveARun has one task cloned, and one fail twice, the second time for good.
func leaveARun(t *testing.T, c *driverclient.Client, id string) {
	t.Helper()
	raw, err := json.Marshal(scheduletest.Flow("only end"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	run := driverclient.OpenRun{
		RunID: id, Definition: raw, DefinitionSHA256: hex.EncodeToString(sum[:]),
		Parameters: new("{}"), Resume: &driverclient.Resume{OriginRun: "kfp-0"},
	}
	if err := c.OpenRun(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if _, err := c.JoinPool(t.Context(), driverclient.Join{Pool: "only", Incarnation: "w0"}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []driverclient.Outcome{
		{Succeeded: &driverclient.Transition{}, Cloned: true},
		{Failed: &driverclient.Failure{Class: driverclient.Infrastructure, Reason: "no store"}},
		{Failed: &driverclient.Failure{Class: driverclient.User, Reason: "boom", ExitCode: new(1)}},
	} {
		leased, err := c.AcquireLease(t.Context(), "w0", 0, "")
		if err != nil || leased.Task == nil {
			t.Fatalf("%+v, %v", leased, err)
		}
		attempt, err := c.StartAttempt(t.Context(), "w0", leased.Task)
		if err != nil {
			t.Fatal(err)
		}
		o.Attempt = attempt.Number
		if _, err := c.ReportTask(t.Context(), "w0", leased.Task, o); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReferencePage: every command a person types is on it, with its secrets.
func TestReferencePage(t *testing.T) {
	sh := &shell{t: t}
	page, stderr, code := sh.run("reference")
	if code != 0 {
		t.Fatal(stderr)
	}
	for _, part := range []string{"## driver serve", "## driver tasks", "## driver dev env", "`--lease-ttl`", "`MILLRACE_TOKEN` (secret)"} {
		if !strings.Contains(page, part) {
			t.Errorf("%q is not on the page", part)
		}
	}
	for _, part := range []string{"pod-supervise", "env-MILLRACE", "## driver reference", "completion"} {
		if strings.Contains(page, part) {
			t.Errorf("%q is on the page", part)
		}
	}
}
