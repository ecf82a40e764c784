package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"
)

const (
	access, secret = "millrace", "millrace-secret"
	root           = "s3://flows/metaflow"
)

// server is versitygw behind a proxy that counts requests.
type server struct {
	endpoint string
	requests atomic.Int64
	process  *exec.Cmd
	proxy    *http.Server
}

func startServer(ctx context.Context, binary, folder string) (*server, error) {
	data := filepath.Join(folder, "s3")
	if err := os.MkdirAll(filepath.Join(data, "flows"), 0o755); err != nil {
		return nil, err
	}
	behind, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{process: exec.CommandContext(ctx, binary, "--access", access, "--secret", secret, "--port", behind, "--quiet", "posix", data)}
	s.process.Stderr = os.Stderr
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("the S3 server %s (make .cache/bin/versitygw): %w", binary, err)
	}
	for !answers(behind) {
		time.Sleep(10 * time.Millisecond)
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.endpoint = "http://" + front.Addr().String()
	s.proxy = &http.Server{Handler: s.counting(behind), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.proxy.Serve(front) }()
	return s, nil
}

// counting passes requests on as they are: the signature covers the Host.
func (s *server) counting(behind string) http.Handler {
	next := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", behind, r.In.Host
		},
		Transport:  &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		BufferPool: buffers{},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		next.ServeHTTP(w, r)
	})
}

type buffers struct{}

func (buffers) Get() []byte { return make([]byte, 256<<10) }
func (buffers) Put([]byte)  {}

func (s *server) stop() {
	_ = s.proxy.Close()
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
