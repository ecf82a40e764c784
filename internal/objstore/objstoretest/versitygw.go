package objstoretest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// S3 is a real S3 server over a folder: versitygw.
type S3 struct {
	Endpoint string
	// Bucket exists and is empty.
	Bucket string
	folder string
}

const access, secret = "millrace", "millrace-secret"

// VersityGW starts a server for the test and sets the AWS variables of this
// process to its credentials.
func VersityGW(t *testing.T) *S3 {
	t.Helper()
	s := &S3{folder: t.TempDir()}
	s.Bucket = s.MakeBucket(t, "flows")
	port := freePort(t)
	s.Endpoint = "http://" + port
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(binary(t), "--access", access, "--secret", secret, "--port", port, "--quiet", "posix", s.folder)
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for !answers(port) {
		select {
		case <-ended:
			text, _ := os.ReadFile(log)
			t.Fatalf("versitygw ended:\n%s", text)
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.Login(t, secret)
	return s
}

// MakeBucket adds a bucket.
func (s *S3) MakeBucket(t *testing.T, name string) string {
	t.Helper()
	if err := os.Mkdir(filepath.Join(s.folder, name), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// Login sets what the SDK's default chain finds, and nothing else than that.
func (s *S3) Login(t *testing.T, secret string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "",
	} {
		t.Setenv(name, value)
	}
}

func answers(address string) bool {
	c, err := net.Dial("tcp", address)
	if err == nil {
		c.Close()
	}
	return err == nil
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// binary is the tool the Makefile builds.
func binary(t *testing.T) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("this file's path is unknown")
	}
	path := filepath.Join(filepath.Dir(here), "../../../.cache/bin/versitygw")
	if _, err := os.Stat(path); err != nil {
		t.Fatal(fmt.Errorf("no S3 server to test with: run `make .cache/bin/versitygw` (%w)", err))
	}
	return path
}
