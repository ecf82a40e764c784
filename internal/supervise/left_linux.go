package supervise

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	// settle is what helpers have that end by themselves when the task does,
	// such as multiprocessing's resource tracker.
	settle = 200 * time.Millisecond
	// stubborn is when the kills are given up: a process that sleeps in the
	// kernel, on a dead NFS server say, does not die.
	stubborn = 10 * time.Second
	// mostNamed bounds the list of a fork bomb.
	mostNamed = 50
)

// killLeft kills all that the command, which has ended, left running, until
// there is nothing, and returns the command lines.
func (s *Supervisor) killLeft(group int, patient bool) []string {
	r := s.reaper
	defer r.release()
	if patient {
		r.settle()
	}
	seen := map[process]bool{}
	var left []string
	for giveUp := time.Now().Add(stubborn); ; {
		alive := r.descendants()
		if len(alive) == 0 {
			break
		}
		if time.Now().After(giveUp) {
			s.logger.Error("processes of the task do not die; are they waiting for a file system that is gone?", "count", len(alive))
			break
		}
		for _, p := range alive {
			if !seen[p.process] {
				seen[p.process] = true
				if len(left) < mostNamed {
					left = append(left, p.commandLine())
				}
			}
		}
		_ = syscall.Kill(-group, syscall.SIGKILL) // all at once, for what forks fast
		for _, p := range alive {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		r.awaitDeath()
	}
	if more := len(seen) - len(left); more > 0 {
		left = append(left, fmt.Sprintf("and %d more", more))
	}
	return left
}

func (r *reaper) settle() {
	for until := time.Now().Add(settle); len(r.descendants()) > 0 && time.Now().Before(until); {
		r.awaitDeath()
	}
}

// release forgets the command, whose pid may from now on be an orphan's.
func (r *reaper) release() {
	r.mu.Lock()
	r.own = 0
	r.mu.Unlock()
	r.pass()
}

// awaitDeath returns after a child's death, or soon: the death of a process
// whose parent is not us is not signalled.
func (r *reaper) awaitDeath() {
	timer := time.NewTimer(5 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-r.dead:
	case <-timer.C:
	}
}

// descendants lists the living processes below us that were not there before
// the command.
func (r *reaper) descendants() []status {
	below := map[int][]status{}
	for _, p := range processes() {
		below[p.parent] = append(below[p.parent], p)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var alive []status
	for queue := below[os.Getpid()]; len(queue) > 0; queue = queue[1:] {
		p := queue[0]
		if r.others[p.process] {
			continue
		}
		if p.alive() {
			alive = append(alive, p)
		}
		queue = append(queue, below[p.pid]...)
	}
	return alive
}
