// Package runstoretest holds the laws of a runstore.Store, run by every
// adapter's tests, and a wrapper that fails on demand.
package runstoretest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/runstore"
)

// Open opens the same store again each time it is called within one test:
// what was appended before must be there.
type Open func(t *testing.T) runstore.Store

// Exercise runs the laws. fresh makes an empty store and returns how to open
// it again.
func Exercise(t *testing.T, fresh func(t *testing.T) Open) {
	laws := []struct {
		name string
		law  func(*testing.T, Open)
	}{
		{"a log comes back in order, also after a restart", logLaw},
		{"the fence holds for the whole batch", fenceLaw},
		{"unknown things have their errors", unknownLaw},
		{"info is replaced and listed", listLaw},
		{"a definition is kept once", definitionLaw},
		{"the clock never goes back", clockLaw},
		{"writers race for one sequence and one wins", raceLaw},
		{"an error of the reader ends a load", loadErrorLaw},
	}
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) { l.law(t, fresh(t)) })
	}
}

func info(run string) *runstore.RunInfo {
	return &runstore.RunInfo{RunID: run, Flow: "F", State: "running", DefinitionSHA256: "d", OpenedAt: 5, Live: true}
}

func records(texts ...string) (out [][]byte) {
	for _, s := range texts {
		out = append(out, []byte(s))
	}
	return out
}

func load(t *testing.T, s runstore.Store, run string) string {
	t.Helper()
	var out []string
	err := s.Load(t.Context(), run, func(n uint64, record []byte) error {
		out = append(out, fmt.Sprintf("%d=%s", n, record))
		return nil
	})
	if err != nil {
		t.Fatalf("Load(%s): %v", run, err)
	}
	return strings.Join(out, " ")
}

func mustAppend(t *testing.T, s runstore.Store, now int64, batch ...runstore.Append) {
	t.Helper()
	if err := s.Append(t.Context(), now, batch); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func logLaw(t *testing.T, open Open) {
	s := open(t)
	mustAppend(t, s, 1, runstore.Append{RunID: "a", Info: info("a"), Records: records("one", "two")},
		runstore.Append{RunID: "b", Info: info("b"), Records: records("b1")})
	mustAppend(t, s, 2, runstore.Append{RunID: "a", After: 2, Records: records("three")})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t)
	defer s.Close()
	if got, want := load(t, s, "a"), "1=one 2=two 3=three"; got != want {
		t.Errorf("run a: %s, want %s", got, want)
	}
	if got, want := load(t, s, "b"), "1=b1"; got != want {
		t.Errorf("run b: %s, want %s", got, want)
	}
}

func fenceLaw(t *testing.T, open Open) {
	s := open(t)
	defer s.Close()
	mustAppend(t, s, 1, runstore.Append{RunID: "a", Info: info("a"), Records: records("one")})
	for name, after := range map[string]uint64{"behind": 0, "ahead": 2} {
		err := s.Append(t.Context(), 2, []runstore.Append{
			{RunID: "b", Info: info("b"), Records: records("b1")},
			{RunID: "a", After: after, Info: info("a"), Records: records("rival")},
		})
		if !errors.Is(err, runstore.ErrFenced) {
			t.Errorf("%s: %v, want ErrFenced", name, err)
		}
	}
	if got, want := load(t, s, "a"), "1=one"; got != want {
		t.Errorf("run a: %s, want %s", got, want)
	}
	if err := s.Load(t.Context(), "b", nil); !errors.Is(err, runstore.ErrUnknownRun) {
		t.Errorf("the other run of a fenced batch: %v, want ErrUnknownRun", err)
	}
}

func unknownLaw(t *testing.T, open Open) {
	s := open(t)
	defer s.Close()
	if err := s.Load(t.Context(), "x", nil); !errors.Is(err, runstore.ErrUnknownRun) {
		t.Errorf("Load: %v", err)
	}
	if _, err := s.Info(t.Context(), "x"); !errors.Is(err, runstore.ErrUnknownRun) {
		t.Errorf("Info: %v", err)
	}
	if _, err := s.Definition(t.Context(), "x"); !errors.Is(err, runstore.ErrUnknownDefinition) {
		t.Errorf("Definition: %v", err)
	}
	if err := s.Append(t.Context(), 1, []runstore.Append{{RunID: "x", Records: records("r")}}); err == nil {
		t.Error("the first records of a run were taken without its info")
	}
}

func listLaw(t *testing.T, open Open) {
	s := open(t)
	defer s.Close()
	other := info("b")
	other.Flow = "G"
	mustAppend(t, s, 1, runstore.Append{RunID: "a", Info: info("a"), Records: records("1")},
		runstore.Append{RunID: "b", Info: other, Records: records("1")})
	ended := &runstore.RunInfo{RunID: "a", Flow: "F", State: "failed", Reason: "so", DefinitionSHA256: "d", OpenedAt: 5, EndedAt: 9}
	mustAppend(t, s, 2, runstore.Append{RunID: "a", After: 1, Info: ended, Records: records("2")})
	for _, c := range []struct {
		name string
		o    runstore.ListOptions
		want []runstore.RunInfo
	}{
		{"all, the newest first", runstore.ListOptions{}, []runstore.RunInfo{*other, *ended}},
		{"one flow", runstore.ListOptions{Flow: "F"}, []runstore.RunInfo{*ended}},
		{"live", runstore.ListOptions{LiveOnly: true}, []runstore.RunInfo{*other}},
		{"nothing", runstore.ListOptions{Flow: "F", LiveOnly: true}, []runstore.RunInfo{}},
	} {
		got, err := s.List(t.Context(), c.o)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
	}
	one, err := s.Info(t.Context(), "a")
	if diff := cmp.Diff(*ended, one); err != nil || diff != "" {
		t.Errorf("Info: %v %s", err, diff)
	}
}

func definitionLaw(t *testing.T, open Open) {
	s := open(t)
	for range 2 {
		if err := s.PutDefinition(t.Context(), "digest", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = open(t)
	defer s.Close()
	if b, err := s.Definition(t.Context(), "digest"); err != nil || string(b) != "{}" {
		t.Errorf("Definition: %q, %v", b, err)
	}
}

func clockLaw(t *testing.T, open Open) {
	s := open(t)
	if now, err := s.Clock(t.Context()); err != nil || now != 0 {
		t.Errorf("a new store's clock: %d, %v", now, err)
	}
	mustAppend(t, s, 50, runstore.Append{RunID: "a", Info: info("a"), Records: records("1")})
	mustAppend(t, s, 40, runstore.Append{RunID: "a", After: 1, Records: records("2")})
	s.Close()
	s = open(t)
	defer s.Close()
	if now, err := s.Clock(t.Context()); err != nil || now != 50 {
		t.Errorf("clock: %d, %v, want 50", now, err)
	}
}

func raceLaw(t *testing.T, open Open) {
	s := open(t)
	defer s.Close()
	mustAppend(t, s, 1, runstore.Append{RunID: "a", Info: info("a"), Records: records("1")})
	const writers = 16
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			errs[i] = s.Append(t.Context(), 2, []runstore.Append{{RunID: "a", After: 1, Records: records(fmt.Sprint("w", i))}})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, runstore.ErrFenced):
			t.Errorf("a losing writer got %v, want ErrFenced", err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
}

func loadErrorLaw(t *testing.T, open Open) {
	s := open(t)
	defer s.Close()
	mustAppend(t, s, 1, runstore.Append{RunID: "a", Info: info("a"), Records: records("1", "2")})
	enough := errors.New("enough")
	calls := 0
	err := s.Load(t.Context(), "a", func(uint64, []byte) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("Load: %v after %d calls", err, calls)
	}
}
