package file

import (
	"crypto/rand"
	"errors"
	"os"
	"syscall"
)

// lock holds the folder, exclusively or shared. It is held for a few system
// calls only. A file system without locks is used as it is: Metaflow does not
// lock either.
func lock(folder string, exclusive bool) (unlock func(), err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil && !unsupported(err) {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func unsupported(err error) bool {
	return errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOLCK) || errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EINVAL)
}

func noLinks(err error) bool { return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) }

func notAFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

func isFolder(err error) bool {
	return errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTEMPTY)
}

func outOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func randomName() string { return rand.Text() }
