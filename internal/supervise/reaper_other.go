//go:build !linux

package supervise

import (
	"log/slog"
	"os/exec"
	"syscall"
)

// reaper has nothing to do: orphans do not become ours here.
type reaper struct{}

func newReaper(*slog.Logger) (*reaper, error) { return &reaper{}, nil }

func (*reaper) close() {}

func (s *Supervisor) start(cmd *exec.Cmd) error {
	failed := make(chan error)
	s.starts <- func() { failed <- cmd.Start() }
	return <-failed
}

func (s *Supervisor) serveStarts() {
	for start := range s.starts {
		start()
	}
}

// killLeft reaches what stayed in the command's group and cannot name it.
func (s *Supervisor) killLeft(group int, _ bool) []string {
	_ = syscall.Kill(-group, syscall.SIGKILL)
	return nil
}

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
