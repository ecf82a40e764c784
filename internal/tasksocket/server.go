package tasksocket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// longestSocket is what the kernels allow for a socket's path, with a margin.
const longestSocket = 100

// Server serves one leased attempt's child on a unix socket.
type Server struct {
	cfg      Config
	ctx      context.Context
	cancel   context.CancelFunc
	listener net.Listener
	running  sync.WaitGroup
	loaded   atomic.Uint64 // names the files of loads
	inputs   *inputs       // nil when none were named

	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	closed  bool
	outcome Outcome
	told    *transitionRecord
}

// Serve listens and serves until Close. ctx bounds what it does for the child.
func Serve(ctx context.Context, cfg Config) (*Server, error) {
	if len(cfg.SocketPath) > longestSocket {
		return nil, fmt.Errorf("task socket %s: the path has %d bytes, at most %d are allowed: use a shorter folder", cfg.SocketPath, len(cfg.SocketPath), longestSocket)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.SpoolDir = filepath.Clean(cfg.SpoolDir)
	listener, err := net.Listen("unix", cfg.SocketPath)
	if err != nil {
		return nil, fmt.Errorf("task socket: %w", err)
	}
	if err := os.Chmod(cfg.SocketPath, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("task socket: %w", err)
	}
	s := &Server{cfg: cfg, listener: listener, conns: map[net.Conn]struct{}{}}
	if len(cfg.Inputs.Tasks) > 0 {
		if s.inputs, err = newInputs(s, cfg.Inputs); err != nil {
			listener.Close()
			return nil, fmt.Errorf("task socket: %w", err)
		}
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	if s.inputs != nil {
		s.running.Go(func() { s.inputs.fetch(s.ctx) })
	}
	s.running.Go(s.accept)
	return s, nil
}

// Close ends all connections, which ends whoever of the child still lives, and
// waits until nothing is done for it any more.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	var err error
	if first {
		s.cancel()
		err = s.listener.Close()
	}
	s.running.Wait()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.cfg.Logger.Error("task socket: no more connections", "error", err)
			}
			return
		}
		s.mu.Lock()
		if s.closed {
			conn.Close()
		} else {
			s.conns[conn] = struct{}{}
			s.running.Go(func() { s.converse(conn) })
		}
		s.mu.Unlock()
	}
}

// converse answers one connection's requests, one after the other. A
// connection that says nothing is the child's lifeline.
func (s *Server) converse(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	greeted := false
	for {
		body, err := readFrame(conn)
		if errors.Is(err, errFrameTooLarge) {
			_ = s.send(conn, "read", nil, err) // the connection ends either way
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && s.ctx.Err() == nil {
				s.cfg.Logger.Debug("task socket: a connection broke off", "error", err)
			}
			return
		}
		req, err := parseRequest(body)
		op := "request"
		var reply fields
		if err == nil {
			op = req.Op
			reply, err = s.answer(req, &greeted)
		}
		if err := s.send(conn, op, reply, err); err != nil {
			return
		}
	}
}

// fields is the body of a reply.
type fields map[string]any

// send replies, and remembers what went wrong through no fault of the child.
func (s *Server) send(conn net.Conn, op string, reply fields, err error) error {
	if err != nil {
		if isTrouble(s.ctx, err) {
			s.record(func(o *Outcome) { o.Trouble = fmt.Errorf("%s: %w", op, err) })
			s.cfg.Logger.Warn("task socket: answered with an error", "op", op, "error", err)
		}
		reply = fields{"ok": false, "class": class(err), "message": clip(err.Error())}
	} else {
		if reply == nil {
			reply = fields{}
		}
		reply["ok"] = true
	}
	body, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		body, err = s.spool(body)
		if err != nil {
			return err
		}
	}
	return writeFrame(conn, body)
}

// clip keeps a message within a frame.
func clip(message string) string {
	const longest = 16 << 10
	if len(message) > longest {
		return message[:longest] + "..."
	}
	return message
}

func (s *Server) record(change func(*Outcome)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.outcome)
}
