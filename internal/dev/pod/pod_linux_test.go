package pod

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain makes the test binary a supervisor when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "supervise" {
		os.Exit(Supervise(os.Stdin))
	}
	goleak.VerifyTestMain(m)
}

// sh is a pod that runs a script.
func sh(t *testing.T, script string) Spec {
	t.Helper()
	dir := t.TempDir()
	uid := filepath.Base(filepath.Dir(dir)) + "-" + t.Name()
	return Spec{
		UID: uid, Argv: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin", "KFP_POD_UID=" + uid}, Dir: dir,
		LogFile: filepath.Join(dir, "logs", "log"), LogLimit: 1 << 20, ExitFile: filepath.Join(dir, "exit"), Grace: 200 * time.Millisecond,
	}
}

func begin(t *testing.T, spec Spec) *Process {
	t.Helper()
	p, err := Start([]string{os.Args[0], "supervise"}, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Go(); err != nil {
		t.Fatal(err)
	}
	return p
}

func end(t *testing.T, p *Process) (exit Exit, known bool) {
	t.Helper()
	select {
	case <-p.Ended():
	case <-time.After(30 * time.Second):
		t.Fatal("the pod does not end")
	}
	exit, known, err := p.Exit()
	if err != nil {
		t.Fatal(err)
	}
	return exit, known
}

func said(spec Spec) string {
	raw, _ := os.ReadFile(spec.LogFile) // not there before the first word
	return string(raw)
}

// until waits for the pod's words.
func until(t *testing.T, spec Spec, words string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if got := said(spec); strings.Contains(got, words) {
			return got
		}
	}
	t.Fatalf("the pod said %q, not %q", said(spec), words)
	return ""
}

func TestEndings(t *testing.T) {
	for _, test := range []struct {
		name, script string
		code         int
		log          string
	}{
		{"done", "echo out; echo err >&2", 0, "out\nerr\n"},
		{"failed", "exit 3", 3, ""},
		{"signal", "kill -9 $$", 137, ""},
		{"its folder", `test "$PWD" -ef .. || pwd | grep -c /`, 0, "1\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := sh(t, test.script)
			exit, known := end(t, begin(t, spec))
			if !known || exit.Code != test.code || said(spec) != test.log {
				t.Errorf("exit %+v (known %v), log %q; want %d, %q", exit, known, said(spec), test.code, test.log)
			}
		})
	}
}

func TestNoSuchProgram(t *testing.T) {
	spec := sh(t, "")
	spec.Argv = []string{"no-such-program"}
	if exit, known := end(t, begin(t, spec)); !known || exit.Code != 127 || !strings.Contains(said(spec), "no-such-program") {
		t.Errorf("exit %+v, log %q", exit, said(spec))
	}
}

// Whatever a container leaves is killed, also what left its session.
func TestLeftovers(t *testing.T) {
	spec := sh(t, "setsid sleep 1000 & sleep 1000 & echo $!; exit 0")
	exit, known := end(t, begin(t, spec))
	if !known || exit.Code != 0 || exit.Left < 2 {
		t.Errorf("exit %+v", exit)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(said(spec)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := startTime(pid); err == nil {
		t.Errorf("process %d lives on", pid)
	}
}

func TestTerminate(t *testing.T) {
	for _, test := range []struct {
		name, script string
		grace        time.Duration
		code         int
	}{
		{"obedient", "trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done", time.Minute, 5},
		{"by default", "echo up; exec sleep 1000", time.Minute, 143},
		{"deaf", "trap '' TERM; echo up; while :; do sleep 0.02; done", 200 * time.Millisecond, 137},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := sh(t, test.script)
			spec.Grace = test.grace
			p := begin(t, spec)
			until(t, spec, "up")
			p.Terminate()
			if exit, known := end(t, p); !known || exit.Code != test.code {
				t.Errorf("exit %+v, want %d", exit, test.code)
			}
		})
	}
}

// A supervisor that dies takes its pod with it and leaves no ending.
func TestLost(t *testing.T) {
	spec := sh(t, "setsid sleep 1000 & echo $! $$; exec sleep 1000")
	p := begin(t, spec)
	words := strings.Fields(until(t, spec, "\n"))
	p.Lose()
	if exit, known := end(t, p); known {
		t.Errorf("an ending is known: %+v", exit)
	}
	for _, word := range words {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		// It has been killed; the kernel may still be taking it apart.
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if _, err := startTime(pid); err != nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("process %d lives on", pid)
			}
		}
	}
}

// Before Go nothing runs, whoever dies.
func TestAbandon(t *testing.T) {
	spec := sh(t, "echo ran")
	p, err := Start([]string{os.Args[0], "supervise"}, spec)
	if err != nil {
		t.Fatal(err)
	}
	p.Abandon()
	if _, known, err := ReadExit(spec.ExitFile); known || err != nil || said(spec) != "" {
		t.Errorf("known %v, error %v, log %q", known, err, said(spec))
	}
}

// A pid alone does not make a supervisor.
func TestAdopt(t *testing.T) {
	spec := sh(t, "echo up; exec sleep 1000")
	p := begin(t, spec)
	until(t, spec, "up")
	if _, ok := Adopt(p.PID, "1@other-boot", spec.UID, spec.ExitFile); ok {
		t.Error("another life of the pid was adopted")
	}
	again, ok := Adopt(p.PID, p.Start, spec.UID, spec.ExitFile)
	if !ok {
		t.Fatal("the supervisor was not adopted")
	}
	again.Kill()
	if exit, known := end(t, again); !known || exit.Code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit %+v", exit)
	}
	end(t, p)
}

func TestLogLimit(t *testing.T) {
	spec := sh(t, "for i in 1 2 3 4; do printf 0123456789; done; echo end > done")
	spec.LogLimit = 25
	if exit, known := end(t, begin(t, spec)); !known || exit.Code != 0 {
		t.Errorf("exit %+v", exit)
	}
	want := fmt.Sprint("0123456789012345678901234", "\n[the rest of this pod's output is not kept]\n")
	if got := said(spec); got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}
