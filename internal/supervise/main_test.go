package supervise

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roleVar makes the test binary play a process of a test.
const roleVar = "SUPERVISE_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVar) == "parent" {
		parent()
		return
	}
	goleak.VerifyTestMain(m)
}

// buffer is a bytes.Buffer for two goroutines that tells of each write.
type buffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written chan struct{}
}

func newBuffer() *buffer { return &buffer{written: make(chan struct{}, 1)} }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Write(p)
	select {
	case b.written <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// await returns when the text was written.
func (b *buffer) await(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(b.String(), text) {
		select {
		case <-b.written:
		case <-time.After(20 * time.Second):
			t.Errorf("never written: %q; only %q", text, b.String())
			return
		}
	}
}

func newSupervisor(t *testing.T) *Supervisor {
	t.Helper()
	s, err := New(slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// sh is a command that runs the script.
func sh(t *testing.T, script string) (Command, *buffer) {
	t.Helper()
	out := newBuffer()
	return Command{
		Argv: []string{"sh", "-c", script}, Dir: t.TempDir(), Env: os.Environ(),
		Stdout: out, Stderr: out, Grace: 20 * time.Second, Drain: 20 * time.Second,
	}, out
}

// parent is a launcher to be killed: it runs a child for ever and prints the
// child's pid. Threads come and go meanwhile.
func parent() {
	s, err := New(slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	_, _ = s.Run(context.Background(), Command{
		Argv: []string{"sleep", "1010"}, Dir: "/", Env: os.Environ(), Stdout: io.Discard,
		Started: func(pid int) { fmt.Println(pid) },
	})
}
