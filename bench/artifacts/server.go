package main

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
	access, secret = "millrace", "millrace-secret"
	root           = "s3://flows/metaflow"
)

// server is versitygw, which keeps a log with a line for each request.
type server struct {
	endpoint string
	log      string
	process  *exec.Cmd
}

func startServer(ctx context.Context, binary, folder string) (*server, error) {
	data := filepath.Join(folder, "s3")
	if err := os.MkdirAll(filepath.Join(data, "flows"), 0o755); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{endpoint: "http://" + address, log: filepath.Join(folder, "s3.log")}
	s.process = exec.CommandContext(ctx, binary, "--access", access, "--secret", secret, "--port", address, "--quiet", "--keep-alive",
		"--access-log", s.log, "posix", data)
	s.process.Stderr = os.Stderr
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("the S3 server %s (make .cache/bin/versitygw): %w", binary, err)
	}
	for !answers(address) {
		time.Sleep(10 * time.Millisecond)
	}
	return s, nil
}

// requests is how many the server was asked until now.
func (s *server) requests() (int, error) {
	text, err := os.ReadFile(s.log)
	return bytes.Count(text, []byte("\n")), err
}

func (s *server) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// environment is what S3 clients of either kind need.
func (s *server) environment() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "METAFLOW_S3_ENDPOINT_URL=" + s.endpoint,
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func answers(address string) bool {
	c, err := net.Dial("tcp", address)
	if err == nil {
		c.Close()
	}
	return err == nil
}
