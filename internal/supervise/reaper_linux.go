package supervise

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// reaper takes the status of every child that is not a command of ours. Its
// mutex is held over the start of a command and over each pass: without it a
// command that dies before its pid is known is taken for an orphan, and
// os/exec finds no status.
type reaper struct {
	logger  *slog.Logger
	signals chan os.Signal
	done    chan struct{}
	// dead tells that a pass may have changed something.
	dead chan struct{}

	mu  sync.Mutex
	own int
	// others are the children that were there before the command: not its
	// descendants, not ours to kill or to reap.
	others map[process]bool
}

func newReaper(logger *slog.Logger) (*reaper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the parent of orphans (PR_SET_CHILD_SUBREAPER): %w", err)
	}
	r := &reaper{
		logger: logger, signals: make(chan os.Signal, 1), done: make(chan struct{}),
		dead: make(chan struct{}, 1), others: children(os.Getpid()),
	}
	// A signal that finds the channel full is followed by a pass anyway.
	signal.Notify(r.signals, syscall.SIGCHLD)
	go r.run()
	return r, nil
}

func (r *reaper) close() {
	signal.Stop(r.signals)
	close(r.signals)
	<-r.done
}

func (r *reaper) run() {
	defer close(r.done)
	for range r.signals {
		r.pass()
		select {
		case r.dead <- struct{}{}:
		default:
		}
	}
}

// pass looks for dead children by a walk of /proc, not by asking for any dead
// child: that names one, and for as long as it is somebody else's to reap it
// hides all others.
func (r *reaper) pass() {
	r.mu.Lock()
	defer r.mu.Unlock()
	self := os.Getpid()
	for _, p := range processes() {
		if p.parent != self || p.alive() || p.pid == r.own || r.others[p.process] {
			continue
		}
		if _, err := unix.Wait4(p.pid, nil, unix.WNOHANG, nil); err != nil {
			r.logger.Debug("reap an orphan", "pid", p.pid, "err", err)
		}
	}
}

// start starts the command on the one thread that starts all.
func (s *Supervisor) start(cmd *exec.Cmd) error {
	failed := make(chan error)
	s.starts <- func() {
		r := s.reaper
		r.mu.Lock()
		defer r.mu.Unlock()
		others := children(os.Getpid())
		err := cmd.Start()
		if err == nil {
			r.own, r.others = cmd.Process.Pid, others
		}
		failed <- err
	}
	return <-failed
}

// serveStarts is that thread. The parent-death signal follows the end of the
// thread that forked, not of the process, so the thread must not be one that
// the runtime ends when it likes.
func (s *Supervisor) serveStarts() {
	runtime.LockOSThread() // never unlocked: the thread ends with this function
	for start := range s.starts {
		start()
	}
}

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
