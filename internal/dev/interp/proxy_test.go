package interp

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// greeter answers each line with it, as the driver of this test.
func greeter(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func ask(t *testing.T, c net.Conn) error {
	t.Helper()
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "hello\n" {
		t.Errorf("answered %q", line)
	}
	return err
}

// A pod reaches the driver by its own way, which can be cut, and which a
// stack that was started again gives back.
func TestOwnWay(t *testing.T) {
	driver := greeter(t)
	s := &stack{t: t, home: t.TempDir(), cfg: testConfig(t.Output())}
	file := filepath.Join(t.TempDir(), "file")
	document := pipeline(t, "true", step{
		name: "start", script: `echo "$MILLRACE_DRIVER $KFP_POD_UID"; ` + waitFor(file), env: map[string]string{"MILLRACE_DRIVER": driver},
	})
	id, first := s.killedWith(document)
	s.open()
	defer s.close()
	own, _, _ := strings.Cut(s.logs(id), " ")
	if own == driver || !strings.HasPrefix(own, "127.0.0.1:") {
		t.Fatalf("the pod's driver is %q", own)
	}
	c, err := net.Dial("tcp", own)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := ask(t, c); err != nil {
		t.Fatal(err)
	}
	if err := s.CutPod(first.UID); err != nil {
		t.Fatal(err)
	}
	if err := ask(t, c); err == nil {
		t.Error("a pod that was cut off is answered")
	}
	if _, err := net.Dial("tcp", own); err == nil {
		t.Error("a pod that was cut off can connect")
	}
	touch(t, file)
	s.wait(id, "SUCCEEDED")
}
