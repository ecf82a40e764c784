package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	bucket         = "bench"
	access, secret = "bench", "bench-secret"
)

// server is versitygw over a folder.
type server struct {
	endpoint, folder string
	cmd              *exec.Cmd
	ended            chan struct{}
	said             bytes.Buffer
}

func (b *bench) serve(ctx context.Context, folder string) (*server, error) {
	if err := os.MkdirAll(filepath.Join(folder, bucket), 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	s := &server{endpoint: "http://" + address, folder: folder, ended: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, b.versitygw, "--access", access, "--secret", secret, "--port", address, "--quiet", "--keep-alive", "posix", folder)
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w (make .cache/bin/versitygw builds it)", b.versitygw, err)
	}
	go func() { defer close(s.ended); _ = s.cmd.Wait() }()
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return s, nil
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("%s ended: %s", b.versitygw, s.said.Bytes())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// forget removes a prefix behind the server's back.
func (s *server) forget(prefix string) error {
	return os.RemoveAll(filepath.Join(s.folder, bucket, prefix))
}

// environment is this process's, but for what would lead elsewhere.
func (s *server) environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "METAFLOW_") && !strings.HasPrefix(v, "S3_") {
			env = append(env, v)
		}
	}
	return append(env, "AWS_ACCESS_KEY_ID="+access, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "METAFLOW_S3_ENDPOINT_URL="+s.endpoint)
}
