package logcapture

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// longestLine is where a line is cut in two, so that one which never ends is
// seen and fills no memory.
const longestLine = 64 << 10

// stream is one of the child's outputs.
type stream struct {
	stamp    *stamp
	console  *console
	tail     *tail
	uploader *uploader
	logger   *slog.Logger

	mu     sync.Mutex
	file   *os.File
	size   int64
	rest   []byte // the line that has not ended yet
	ended  bool
	failed error // the first failure to keep a record; echoing goes on
}

func newStream(cfg Config, name string, stamp *stamp, console *console, tail *tail) (*stream, error) {
	path := filepath.Join(cfg.Dir, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &stream{
		stamp: stamp, console: console, tail: tail, file: file, logger: cfg.Logger,
		uploader: newUploader(cfg, path, cfg.KeyPrefix+name),
	}, nil
}

// Write takes raw output, in pieces of any shape.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, fmt.Errorf("task's output: %w", fs.ErrClosed)
	}
	var lines [][]byte
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		room := longestLine - len(s.rest)
		switch {
		case end >= 0 && end <= room:
			lines = append(lines, s.whole(rest[:end]))
			rest = rest[end+1:]
		case len(rest) > room:
			lines = append(lines, s.whole(rest[:room]))
			rest = rest[room:]
		default:
			s.rest = append(s.rest, rest...)
			rest = nil
		}
	}
	s.keep(lines)
	return len(p), nil
}

// whole returns the line that ends with this piece.
func (s *stream) whole(piece []byte) []byte {
	if len(s.rest) == 0 {
		return piece
	}
	line := append(s.rest, piece...)
	s.rest = nil
	return line
}

// note adds lines that are not the child's, before one of its own that has
// not ended.
func (s *stream) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.keep(bytes.Split(bytes.TrimSuffix([]byte(text), []byte{'\n'}), []byte{'\n'}))
	}
}

// keep writes the lines to all places.
func (s *stream) keep(lines [][]byte) {
	if len(lines) == 0 {
		return
	}
	var records []byte
	for _, line := range lines {
		records = s.stamp.record(records, line)
	}
	s.tail.add(lines)
	s.append(records)
	s.console.echo(lines)
}

func (s *stream) append(records []byte) {
	if s.failed != nil {
		return
	}
	if _, err := s.file.Write(records); err != nil {
		s.failed = fmt.Errorf("keep the task's output: %w", err)
		s.logger.Error("keep the task's output; the rest goes to the pod's log only", "err", err)
		return
	}
	s.size += int64(len(records))
	s.uploader.grew(s.size)
}

// end keeps the last line, if that is wanted also when it has not ended, and
// says whether all was kept.
func (s *stream) end(unended bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return s.failed
	}
	s.ended = true
	if unended && len(s.rest) > 0 {
		s.keep([][]byte{s.rest})
	}
	s.rest = nil
	if err := s.file.Close(); err != nil && s.failed == nil {
		s.failed = fmt.Errorf("keep the task's output: %w", err)
	}
	return s.failed
}
