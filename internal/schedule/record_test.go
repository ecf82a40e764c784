package schedule_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

func splitLines(data []byte) [][]byte { return bytes.Split(bytes.TrimSpace(data), []byte("\n")) }

// TestGoldenRecords: what a driver of version 1 wrote must decode and apply
// for ever, to the state it meant then. The files have every kind of record;
// none is ever regenerated, only a new one is put beside it.
func TestGoldenRecords(t *testing.T) {
	files, err := filepath.Glob("testdata/records.*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden records: %v", err)
	}
	kinds := map[string]bool{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			lines := golden(t, file)
			for i, line := range lines {
				rec, err := schedule.DecodeRecord(line)
				if err != nil {
					t.Fatalf("line %d: %v", i+1, err)
				}
				kinds[rec.Kind()] = true
				again, err := schedule.EncodeRecord(rec)
				if err != nil {
					t.Fatal(err)
				}
				back, err := schedule.DecodeRecord(again)
				if err != nil || !cmp.Equal(rec, back) {
					t.Errorf("line %d does not survive encoding: %v\n%s", i+1, err, cmp.Diff(rec, back))
				}
			}
			run, err := scheduletest.Replay(schedule.Default(), lines)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, "jsonl") + "state")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), describe(run)); diff != "" {
				t.Errorf("the records mean something else now:\n%s", diff)
			}
		})
	}
	for _, rec := range everyKind() {
		if !kinds[rec.Kind()] {
			t.Errorf("no golden record of kind %s", rec.Kind())
		}
	}
}

func golden(tb testing.TB, file string) [][]byte {
	tb.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return splitLines(data)
}

func everyKind() []schedule.Record {
	return []schedule.Record{
		schedule.RunOpenedRecord{},
		schedule.ParametersGiven{},
		schedule.WorkerJoined{},
		schedule.IncarnationGone{},
		schedule.GateJoined{},
		schedule.LeaseGranted{},
		schedule.LeaseEnded{},
		schedule.AttemptBegun{},
		schedule.AttemptSucceeded{},
		schedule.AttemptFailed{},
		schedule.TaskGivenUp{},
		schedule.TaskContinued{},
		schedule.RoundEnded{},
		schedule.RunEnded{},
		schedule.ExitChosen{},
		schedule.RunClosed{},
		schedule.RunReopened{},
	}
}

func describe(run *schedule.Run) string {
	var b strings.Builder
	s := run.Snapshot().Run
	b.WriteString(string(s.State) + " " + s.Reason + "\n")
	for t := range run.Tasks() {
		b.WriteString(t.Task.Step + "/" + t.Task.Task + " " + t.State)
		for _, a := range t.Attempts {
			b.WriteString(" " + a.Outcome)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestRecordsOfTheFutureAreRefused(t *testing.T) {
	for name, tt := range map[string]struct{ data, want string }{
		"version":       {`{"v":2,"kind":"run_closed","body":{"at":1,"kfp_state":"X"}}`, "version 2"},
		"kind":          {`{"v":1,"kind":"gang_formed","body":{}}`, "unknown kind"},
		"field":         {`{"v":1,"kind":"run_closed","body":{"at":1,"kfp_state":"X","gang":3}}`, "gang"},
		"no body":       {`{"v":1,"kind":"run_closed"}`, "EOF"},
		"outer field":   {`{"v":1,"kind":"run_closed","body":{},"more":1}`, "more"},
		"second record": {`{"v":1,"kind":"run_closed","body":{}}{}`, "after the document"},
		"not JSON":      {`\x00`, "decode record"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := schedule.DecodeRecord([]byte(tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
