package supervise

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// exitOf turns a wait status into what the launcher and people read.
func exitOf(cmd *exec.Cmd, how ending, timeout time.Duration) Exit {
	exit := Exit{Code: 128, Reason: "its exit status was lost", TimedOut: how == endedByTimeout}
	if cmd.ProcessState != nil {
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
			exit.Code, exit.Reason = outcome(status)
		}
	}
	if exit.TimedOut {
		exit.Reason = fmt.Sprintf("ended by its time limit of %s, %s", timeout, exit.Reason)
	}
	return exit
}

func outcome(status syscall.WaitStatus) (int, string) {
	if !status.Signaled() {
		return status.ExitStatus(), fmt.Sprintf("exit code %d", status.ExitStatus())
	}
	name := unix.SignalName(status.Signal())
	if name == "" { // the real-time signals have none
		name = fmt.Sprint(int(status.Signal()))
	}
	return 128 + int(status.Signal()), "killed by signal " + name
}
