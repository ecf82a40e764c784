package logcapture

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const prefix = "Flow/run-1/step/t-1/0."

// lines is a console that keeps each write apart.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(p))
	return len(p), nil
}

func start(t *testing.T, store objstore.Store, change func(*Config)) *Capture {
	t.Helper()
	cfg := Config{
		Dir: t.TempDir(), Store: store, KeyPrefix: prefix, Console: &lines{}, Prefix: "[step/3 #0] ",
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, to io.Writer, text string) {
	t.Helper()
	if n, err := to.Write([]byte(text)); err != nil || n != len(text) {
		t.Errorf("write: %d, %v", n, err)
	}
}

// stored returns an object, "" when there is none.
func stored(t *testing.T, store objstore.Store, name string) string {
	t.Helper()
	content, _, err := objstore.ReadAll(context.Background(), store, prefix+name, 64<<20)
	if err != nil {
		return ""
	}
	return string(content)
}

// record is what Metaflow's client reads of a line.
type record struct{ time, source, id, message string }

// The expression is that of metaflow/mflog/mflog.py. It is applied to bytes,
// where a dot is any byte but a newline.
var mflog = regexp.MustCompile(`(?s)^(\[!)?\[MFLOG\|(0)\|(.+?)Z\|(.+?)\|(.+?)\](.*)$`)

var (
	exactTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$`)
	exactID   = regexp.MustCompile(`^[0-9a-f]{16}-[0-9]+$`)
)

// parse reads a log as Metaflow does, and checks what it relies on.
func parse(t *testing.T, content string) []record {
	t.Helper()
	if content == "" {
		return nil
	}
	if !strings.HasSuffix(content, "\n") {
		t.Errorf("the last line does not end: %q", content[max(0, len(content)-80):])
	}
	var records []record
	for line := range strings.SplitSeq(strings.TrimSuffix(content, "\n"), "\n") {
		// Latin-1 carries any byte through an expression made for text.
		m := mflog.FindStringSubmatch(latin1(line))
		if m == nil {
			t.Fatalf("not in the format: %q", line)
		}
		r := record{m[3], m[4], m[5], line[len(line)-len([]rune(m[6])):]}
		if !exactTime.MatchString(r.time) || !exactID.MatchString(r.id) || r.source != "task" || m[1] != "" {
			t.Errorf("got %+v", r)
		}
		if n := len(records); n > 0 && records[n-1].time >= r.time {
			t.Errorf("%s is not after %s", r.time, records[n-1].time)
		}
		records = append(records, r)
	}
	return records
}

func latin1(text string) string {
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

func messages(records []record) (all []string) {
	for _, r := range records {
		all = append(all, r.message)
	}
	return all
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", longestLine)
	for _, test := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{"one", []string{"hello\n"}, []string{"hello"}},
		{"several at once", []string{"a\nb\nc\n"}, []string{"a", "b", "c"}},
		{"in pieces", []string{"he", "llo", "\nwor", "ld\n"}, []string{"hello", "world"}},
		{"empty ones are kept", []string{"\n\na\n\n"}, []string{"", "", "a", ""}},
		{"without an end", []string{"a\nb"}, []string{"a", "b"}},
		{"carriage returns", []string{"10%\r20%\r\n"}, []string{"10%\r20%\r"}},
		{"NUL and no UTF-8", []string{"a\x00b\xff\xfe\n\x80"}, []string{"a\x00b\xff\xfe", "\x80"}},
		{"looks like a record", []string{"[MFLOG|0|2000-01-01T00:00:00.000000Z|task|1]x\n"}, []string{"[MFLOG|0|2000-01-01T00:00:00.000000Z|task|1]x"}},
		{"just short enough", []string{long + "\n"}, []string{long}},
		{"just short enough, in pieces", []string{long, "\n"}, []string{long}},
		{"too long", []string{long + "yz\n"}, []string{long, "yz"}},
		{"much too long, in pieces", []string{"ab", long, long, "\nc\n"}, []string{"ab" + long[2:], long, "xx", "c"}},
		{"nothing", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, console := mem.New(), &lines{}
			c := start(t, store, func(cfg *Config) { cfg.Console = console })
			for _, piece := range test.pieces {
				write(t, c.Stdout(), piece)
			}
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, test.want) {
				t.Errorf("got %.200q", got)
			}
			if got := stored(t, store, "task_stderr.log"); got != "" {
				t.Errorf("stderr: %q", got)
			}
			var echoed []string
			for _, line := range test.want {
				echoed = append(echoed, "[step/3 #0] "+line+"\n")
			}
			if !slices.Equal(console.all, echoed) {
				t.Errorf("echoed %.200q", console.all)
			}
		})
	}
}

// The two streams merge in the order in which they were written.
func TestOrderOverBothStreams(t *testing.T) {
	store := mem.New()
	c := start(t, store, nil)
	var want []string
	for i := range 1000 {
		line := fmt.Sprint("line ", i)
		want = append(want, line)
		switch i % 3 {
		case 0:
			write(t, c.Stdout(), line+"\n")
		case 1:
			write(t, c.Stderr(), line+"\n")
		default:
			c.Note(line)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(parse(t, stored(t, store, "task_stdout.log")), parse(t, stored(t, store, "task_stderr.log")))
	slices.SortStableFunc(all, func(a, b record) int { return strings.Compare(a.time, b.time) })
	if got := messages(all); !slices.Equal(got, want) {
		t.Errorf("got %d lines in another order", len(got))
	}
	ids := map[string]bool{}
	for _, r := range all {
		ids[r.id] = true
	}
	if len(ids) != len(all) {
		t.Errorf("%d ids for %d lines", len(ids), len(all))
	}
}

func TestNotes(t *testing.T) {
	store := mem.New()
	c := start(t, store, nil)
	write(t, c.Stderr(), "half a ")
	c.Note("Task is starting.")
	c.Note("two\nlines\n")
	write(t, c.Stderr(), "line\n")
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Note("too late")
	if _, err := c.Stderr().Write([]byte("too late\n")); err == nil {
		t.Error("written after the end")
	}
	want := []string{"Task is starting.", "two", "lines", "half a line"}
	if got := messages(parse(t, stored(t, store, "task_stderr.log"))); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestTail(t *testing.T) {
	c := start(t, mem.New(), nil)
	defer c.Discard()
	if got := c.Tail(); len(got) != 0 {
		t.Errorf("at first: %q", got)
	}
	write(t, c.Stdout(), "a\n")
	write(t, c.Stderr(), "b\n")
	if got := string(c.Tail()); got != "a\nb\n" {
		t.Errorf("got %q", got)
	}
	for i := range 10_000 {
		write(t, c.Stdout(), fmt.Sprintf("line %d\n", i))
	}
	got := string(c.Tail())
	if len(got) > longestTail || !strings.HasPrefix(got, "line ") || !strings.HasSuffix(got, "\nline 9999\n") {
		t.Errorf("%d bytes: %.20q", len(got), got)
	}
	write(t, c.Stdout(), strings.Repeat("x", 1<<20)+"\n")
	if got := c.Tail(); len(got) > longestTail || len(bytes.Trim(got, "x\n")) > 0 {
		t.Errorf("%d bytes: %.20q", len(got), got)
	}
}

// stuck is a console that blocks.
type stuck struct{ blocked, free chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	s.blocked <- struct{}{}
	<-s.free
	return len(p), nil
}

// A pod's log that blocks holds up the task, not the renewals.
func TestTailWhileTheConsoleBlocks(t *testing.T) {
	console := stuck{make(chan struct{}), make(chan struct{})}
	c := start(t, mem.New(), func(cfg *Config) { cfg.Console = console })
	defer c.Discard()
	written := make(chan struct{})
	go func() {
		write(t, c.Stdout(), "hello\n")
		close(written)
	}()
	<-console.blocked
	if got := string(c.Tail()); got != "hello\n" {
		t.Errorf("got %q", got)
	}
	close(console.free)
	<-written
}

func TestManyWriters(t *testing.T) {
	store, console := mem.New(), &lines{}
	c := start(t, store, func(cfg *Config) { cfg.Console = console })
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 200 {
				write(t, []io.Writer{c.Stdout(), c.Stderr()}[w%2], fmt.Sprintf("%d-%d\n", w, i))
				c.Tail()
			}
		})
	}
	writers.Wait()
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := len(parse(t, stored(t, store, "task_stdout.log"))) + len(parse(t, stored(t, store, "task_stderr.log")))
	if n != 1600 || len(console.all) != 1600 {
		t.Errorf("%d lines stored, %d echoed", n, len(console.all))
	}
}

// FuzzLines: however the output is cut into writes, its lines come out.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), uint8(1))
	f.Add([]byte("a\x00\xff\r\n]|["), uint8(3))
	f.Fuzz(func(t *testing.T, output []byte, size uint8) {
		if len(output) >= longestLine {
			return
		}
		store := mem.New()
		c := start(t, store, nil)
		for piece := range slices.Chunk(output, int(size)+1) {
			write(t, c.Stdout(), string(piece))
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		var want []string
		if len(output) > 0 {
			want = strings.Split(strings.TrimSuffix(string(output), "\n"), "\n")
		}
		if got := messages(parse(t, stored(t, store, "task_stdout.log"))); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
