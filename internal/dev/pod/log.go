package pod

import (
	"fmt"
	"os"
	"path/filepath"
)

// logFile takes a pod's output up to a limit and drops the rest, so that a
// container which prints for ever fills no disk. It never fails a write: the
// container would block on a full pipe.
type logFile struct {
	f    *os.File
	left int64
}

func newLogFile(path string, limit int64) (*logFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("pod log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pod log: %w", err)
	}
	return &logFile{f: f, left: limit}, nil
}

func (l *logFile) Write(p []byte) (int, error) {
	n := min(int64(len(p)), l.left)
	if n > 0 {
		_, _ = l.f.Write(p[:n])
		l.left -= n
		if l.left == 0 {
			fmt.Fprintln(l.f, "\n[the rest of this pod's output is not kept]")
		}
	}
	return len(p), nil
}

func (l *logFile) Close() error { return l.f.Close() }
