// Package gateway runs the S3 server of a benchmark: versitygw over a folder,
// with a log that has a line for each request.
package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	// Bucket is the one there is.
	Bucket         = "bench"
	access, secret = "bench", "bench-secret"
)

// Server is a running versitygw.
type Server struct {
	Endpoint string

	folder string
	cmd    *exec.Cmd
	ended  chan struct{}
	said   bytes.Buffer
}

// Start runs the program over the folder, and waits until it takes connections.
// It keeps them alive, which by itself it does not.
func Start(ctx context.Context, program, folder string) (*Server, error) {
	s := &Server{folder: folder, ended: make(chan struct{})}
	if err := os.MkdirAll(filepath.Join(s.data(), Bucket), 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	s.Endpoint = "http://" + address
	s.cmd = exec.CommandContext(ctx, program, "--access", access, "--secret", secret, "--port", address, "--quiet", "--keep-alive",
		"--access-log", s.log(), "posix", s.data())
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("the S3 server %s: %w (make .cache/bin/versitygw builds it)", program, err)
	}
	go func() { defer close(s.ended); _ = s.cmd.Wait() }()
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return s, nil
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("the S3 server %s ended: %s", program, s.said.Bytes())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }
func (s *Server) log() string  { return filepath.Join(s.folder, "requests.log") }

// Stop kills the server.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// Requests is how many it was asked until now.
func (s *Server) Requests() (int, error) {
	text, err := os.ReadFile(s.log())
	return bytes.Count(text, []byte("\n")), err
}

// Forget removes a prefix of the bucket behind the server's back.
func (s *Server) Forget(prefix string) error {
	return os.RemoveAll(filepath.Join(s.data(), Bucket, prefix))
}

// Environment is what S3 clients of any kind need.
func (s *Server) Environment() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "METAFLOW_S3_ENDPOINT_URL=" + s.Endpoint,
	}
}
