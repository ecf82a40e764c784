//go:build unix

package home

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// takeLock holds the file by flock: the kernel gives it up with the process,
// however that ends.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock home: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w (%s)", ErrBusy, path)
	}
	return nil, fmt.Errorf("lock home %s: %w", path, err)
}

// InUse reports whether some process holds the home's lock.
func InUse(dir string) bool {
	f, err := os.Open(dir + "/lock")
	if err != nil {
		return false
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return true
	}
	return false
}
