package pod

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/internal/dev/home"

	"github.com/millrace/millrace/internal/lookpath"
)

// Go is what the stack sends after the spec once it has recorded the pod.
const goWord = "go\n"

// Supervise reads a spec, waits for the go, runs the container to its end and
// returns the supervisor's exit code. SIGTERM ends the container with its
// grace, SIGQUIT at once.
func Supervise(stdin io.Reader) int {
	// The subreaper flag and the parent-death signal belong to this thread's
	// process; children are started from it.
	runtime.LockOSThread()
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return 2
	}
	var spec Spec
	if err := json.Unmarshal(line, &spec); err != nil {
		fmt.Fprintln(os.Stderr, "pod-supervise: spec:", err)
		return 2
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT, syscall.SIGHUP)
	if word, err := in.ReadString('\n'); err != nil || word != goWord {
		return 3 // the stack died before it recorded us: nothing was started
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "pod-supervise: become subreaper:", err)
	}
	exit := run(spec, signals)
	raw, err := json.Marshal(exit)
	if err == nil {
		err = home.WriteFile(spec.ExitFile, raw)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pod-supervise:", err)
		return 2
	}
	return 0
}

func run(spec Spec, signals <-chan os.Signal) Exit {
	failed := func(code int, err error) Exit {
		return Exit{Code: code, Message: err.Error(), EndedAt: time.Now()}
	}
	log, err := newLogFile(spec.LogFile, spec.LogLimit)
	if err != nil {
		return failed(128, err)
	}
	defer log.Close()
	cmd, err := command(spec)
	if err != nil {
		fmt.Fprintln(log, err)
		return failed(127, err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return failed(128, err)
	}
	defer read.Close()
	cmd.Stdout, cmd.Stderr = write, write
	err = cmd.Start()
	_ = write.Close()
	if err != nil {
		fmt.Fprintln(log, err)
		return failed(126, fmt.Errorf("start container: %w", err))
	}
	drained := make(chan struct{})
	go func() {
		_, _ = io.Copy(log, read)
		close(drained)
	}()
	exit := wait(cmd, spec.Grace, signals)
	exit.Left = killDescendants(os.Getpid(), spec.UID)
	select {
	case <-drained:
	case <-time.After(5 * time.Second): // somebody outside the pod holds the pipe
	}
	exit.EndedAt = time.Now()
	return exit
}

// command prepares the container. It dies with the supervisor, leads a
// process group of its own, and finds its program on its own PATH.
func command(spec Spec) (*exec.Cmd, error) {
	path, err := lookpath.Find(spec.Argv[0], spec.Env, spec.Dir)
	if err != nil {
		return nil, fmt.Errorf("start the pod's command: %w", err)
	}
	cmd := &exec.Cmd{Path: path, Args: spec.Argv, Env: spec.Env, Dir: spec.Dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// wait returns the container's end, passing signals on meanwhile.
func wait(cmd *exec.Cmd, grace time.Duration, signals <-chan os.Signal) Exit {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var kill <-chan time.Time
	for {
		select {
		case err := <-done:
			return exitOf(cmd, err)
		case sig := <-signals:
			if sig == syscall.SIGQUIT {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				continue
			}
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
			if kill == nil {
				kill = time.After(grace)
			}
		case <-kill:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
	}
}

func exitOf(cmd *exec.Cmd, err error) Exit {
	if cmd.ProcessState == nil {
		return Exit{Code: 128, Message: fmt.Sprintf("wait for container: %v", err)}
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return Exit{Code: 128 + int(status.Signal()), Message: "killed by signal " + status.Signal().String()}
	}
	return Exit{Code: status.ExitStatus()}
}
