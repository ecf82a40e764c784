package pod

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a supervisor: one just started, or one of an earlier stack.
type Process struct {
	PID int
	// Start tells this life of the pid from another's.
	Start string

	uid   string
	exit  string
	stdin io.WriteCloser
	// child is set when the supervisor is our own child.
	child *exec.Cmd
	ended chan struct{}
	stop  sync.Once
	gone  chan struct{}
}

// Start starts a supervisor that waits for Go. Argv is the supervisor's
// command line.
func Start(argv []string, spec Spec) (*Process, error) {
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	// The supervisor needs nothing of our environment, and its own is what
	// /proc shows of it.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "MILLRACE_POD_SUPERVISOR=1", "GOMAXPROCS=1"}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start pod supervisor: %w", err)
	}
	p := &Process{PID: cmd.Process.Pid, uid: spec.UID, exit: spec.ExitFile, stdin: stdin, child: cmd, ended: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	if p.Start, err = startTime(p.PID); err == nil {
		_, err = stdin.Write(append(raw, '\n'))
	}
	if err != nil {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		<-p.ended
		return nil, fmt.Errorf("start pod supervisor: %w", err)
	}
	return p, nil
}

// Go lets the container start. Before it, Abandon ends the supervisor
// without having run anything.
func (p *Process) Go() error {
	_, err := io.WriteString(p.stdin, goWord)
	if cerr := p.stdin.Close(); err == nil {
		err = cerr
	}
	return err
}

// Abandon ends a supervisor that was not told to go.
func (p *Process) Abandon() {
	_ = p.stdin.Close()
	<-p.ended
}

// Adopt returns the supervisor of an earlier stack if it still lives.
func Adopt(pid int, start, uid, exitFile string) (*Process, bool) {
	if now, err := startTime(pid); err != nil || now != start {
		return nil, false
	}
	p := &Process{PID: pid, Start: start, uid: uid, exit: exitFile, ended: make(chan struct{}), gone: make(chan struct{})}
	go p.poll()
	return p, true
}

// poll watches a process that is not our child.
func (p *Process) poll() {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if now, err := startTime(p.PID); err != nil || now != p.Start {
				close(p.ended)
				return
			}
		case <-p.gone:
			return
		}
	}
}

// Ended is closed when the supervisor has ended; Exit then has the ending.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Exit returns the container's ending after Ended; ok is false when the
// supervisor died without one. What such a pod left is killed.
func (p *Process) Exit() (exit Exit, ok bool, err error) {
	exit, ok, err = ReadExit(p.exit)
	if !ok {
		sweep(p.uid)
	}
	return exit, ok, err
}

// Terminate asks the container to end: SIGTERM, then after its grace SIGKILL.
func (p *Process) Terminate() { p.signal(syscall.SIGTERM) }

// Kill ends the container at once.
func (p *Process) Kill() { p.signal(syscall.SIGQUIT) }

// Lose kills the supervisor, so that nobody knows how the container ended; it
// dies with it.
func (p *Process) Lose() { p.signal(syscall.SIGKILL) }

// Forget stops watching a process that is not our child.
func (p *Process) Forget() { p.stop.Do(func() { close(p.gone) }) }

func (p *Process) signal(sig syscall.Signal) {
	select {
	case <-p.ended:
		return
	default:
	}
	// A pid is only ours while its start time is.
	if now, err := startTime(p.PID); err == nil && now == p.Start {
		_ = syscall.Kill(p.PID, sig)
	}
}

// Sweep kills what is left of a pod whose supervisor is gone.
func Sweep(uid string) { sweep(uid) }
