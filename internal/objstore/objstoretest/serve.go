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

// serve starts a server for the test and returns when it answers.
func serve(t *testing.T, address, program string, args ...string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(program, args...)
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
	for !answers(address) {
		select {
		case <-ended:
			text, _ := os.ReadFile(log)
			t.Fatalf("%s ended:\n%s", filepath.Base(program), text)
		case <-time.After(10 * time.Millisecond):
		}
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

// built is a program the Makefile puts below .cache.
func built(t *testing.T, name string) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("this file's path is unknown")
	}
	path := filepath.Join(filepath.Dir(here), "../../../.cache/bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(fmt.Errorf("no server to test with: run `make .cache/bin/%s` (%w)", name, err))
	}
	return path
}
