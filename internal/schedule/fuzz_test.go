package schedule_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// FuzzStep feeds event sequences read from bytes: the first picks the flow,
// then four per event. Most events are nonsense; none may panic, break an
// invariant, or change a run that refuses it.
func FuzzStep(f *testing.F) {
	f.Add([]byte{1})
	for flow := range byte(len(scheduletest.Flows())) {
		seq := []byte{flow, 0, flow, 0, 0}
		for pool := range byte(8) {
			seq = append(seq, 1, pool, 0, 0)
			for range 6 {
				seq = append(seq, 4, pool, 0, 0, 6, pool, 0, 0, 8, pool, flow, 2)
			}
		}
		f.Add(append(seq, 14, 0, 0, 0))
		lost := []byte{flow, 0, 0, 0, 0, 1, 0, 0, 0}
		for range 10 {
			lost = append(lost, 4, 0, 0, 0, 6, 0, 0, 0, 13, 0, 249, 0, 12, 0, 0, 0, 11, 0, 255, 255)
		}
		f.Add(lost)
		f.Add(append(slices.Clone(seq), 9, 1, 0, 0, 1, 1, 0, 1, 15, 0, 0, 0, 11, 0, 9, 9))
	}
	names := slices.Sorted(maps.Keys(scheduletest.Flows()))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 1200 {
			return
		}
		def := scheduletest.Flows()[names[int(data[0])%len(names)]]
		for i := range def.Steps {
			def.Steps[i].Retry.UserRetries = i % 3
			def.Steps[i].Retry.ErrorRetries = (i % 2) * 3
		}
		policy := schedule.Default()
		policy.StartTimeout = 500_000
		run := schedule.NewRun(policy)
		grants := map[string]schedule.Grant{}
		tries := map[string]int{}
		now := schedule.Millis(1000)
		var log [][]byte
		before := run.Fingerprint()
		for data = data[1:]; len(data) >= 4; data = data[4:] {
			op, who, what, much := data[0]%20, data[1], data[2], data[3]
			id := fmt.Sprintf("i%d", who)
			pool := def.Steps[int(who)%len(def.Steps)].Name
			g := grants[id]
			var ev schedule.Event
			switch op {
			case 0:
				parameters := `{"a":1}`
				open := schedule.RunOpened{RunID: "kfp-f", Definition: def, DefinitionSHA256: "x", Parameters: &parameters}
				if what%2 == 1 {
					open.Resume = &schedule.Resume{OriginRun: "kfp-e", Step: def.Steps[int(much)%len(def.Steps)].Name}
				}
				ev = open
			case 1:
				ev = schedule.Joined{Pool: pool, Worker: int(what) % 5, Incarnation: id, RetryIndex: int(much) % 4, PodUID: fmt.Sprint(what), Address: "here:1"}
			case 2:
				ev = schedule.Left{Incarnation: id}
			case 3:
				ev = schedule.WorkerGone{Incarnation: id}
			case 4, 5:
				ev = schedule.LeaseAsked{Incarnation: id, Slot: int(what) % 3, Prefer: fmt.Sprintf("%d-%d", much, what)}
			case 6, 7:
				ev = schedule.AttemptStarted{Incarnation: id, Task: g.Task, Token: g.Token}
			case 8:
				tr := &schedule.Transition{NumSplits: int64(much) % 5}
				if s, ok := def.Step(g.Task.Step); ok {
					tr.Next = s.Next
					if s.ForeachVar == "" {
						tr.NumSplits = 0
					}
					if s.Type == flowdef.SplitParallel {
						tr.GangSize = int64(much) % 4
					}
					if s.Condition != "" {
						tr.Next = s.Next[int(what)%len(s.Next):][:1]
					}
				}
				ev = schedule.Reported{Incarnation: id, Task: g.Task, Token: g.Token, Attempt: tries[id], Succeeded: tr, Cloned: much >= 128}
			case 9:
				class := []schedule.Class{schedule.User, schedule.Infrastructure, schedule.Final, schedule.CancelledClass, "?"}[int(what)%5]
				ev = schedule.Reported{
					Incarnation: id, Task: g.Task, Token: g.Token, Attempt: tries[id],
					Failed: &schedule.Failure{Class: class, Reason: string([]byte{much}), OutOfMemory: much >= 128},
				}
			case 10:
				adopted := schedule.Reported{Incarnation: id, Task: g.Task, Token: g.Token, Adopted: true, Succeeded: &schedule.Transition{}}
				if g.AdoptAttempt != nil {
					adopted.Attempt = *g.AdoptAttempt
				}
				if much > 128 {
					adopted.Succeeded, adopted.Failed = nil, &schedule.Failure{Class: schedule.User}
				}
				ev = adopted
			case 11:
				now += schedule.Millis(what) * schedule.Millis(much) * 10
				ev = schedule.Tick{}
			case 12:
				ev = schedule.Released{Incarnation: id, Task: g.Task, Token: g.Token, ChildGone: much%2 == 0}
			case 13:
				ev = schedule.Renewed{Incarnation: id, Task: g.Task, Token: g.Token + uint64(much), UsedBytes: int64(what), LimitBytes: 250}
			case 14:
				ev = schedule.VerifyAsked{}
			case 15:
				ev = schedule.Finished{KFPState: "FAILED"}
			case 16:
				ev = schedule.Cancelled{Reason: string([]byte{what, much})}
			case 17:
				ev = schedule.GateAsked{Pool: pool, Incarnation: fmt.Sprintf("g%d", what), RetryIndex: int(much) % 4}
			case 18:
				ev = schedule.Restarted{}
			case 19:
				ev = schedule.AttemptStarted{Incarnation: id, Task: schedule.TaskID{Step: pool, Task: fmt.Sprintf("task-%d%s%d", what%3, []string{"-", "-r", "-n", "-i", "-r0-i"}[much%5], much/5)}}
			}
			answer, records, err := run.Step(now, ev)
			if err != nil && len(records) > 0 {
				t.Fatalf("%#v was refused (%v) and left records", ev, err)
			}
			after := run.Fingerprint()
			if len(records) == 0 && after != before {
				t.Fatalf("%#v changed the run without a record (error %v)", ev, err)
			}
			before = after
			if err := run.Check(); err != nil {
				t.Fatalf("after %#v: %v", ev, err)
			}
			for _, rec := range records {
				data, err := schedule.EncodeRecord(rec)
				if err != nil {
					t.Fatal(err)
				}
				log = append(log, data)
			}
			switch a := answer.(type) {
			case schedule.Grant:
				grants[id] = a
			case schedule.StartAnswer:
				tries[id] = a.Attempt
			}
		}
		again, err := scheduletest.Replay(policy, log)
		if err != nil {
			t.Fatal(err)
		}
		if again.Fingerprint() != run.Fingerprint() {
			t.Fatalf("recovered state differs\n--- before\n%s--- after\n%s", run.Dump(), again.Dump())
		}
		if err := again.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzRecords applies whatever decodes: a damaged log is an error, never a
// panic.
func FuzzRecords(f *testing.F) {
	lines := golden(f, filepath.Join("testdata", "records.v1.jsonl"))
	graph := golden(f, filepath.Join("testdata", "records.v1.graph.jsonl"))
	for _, line := range slices.Concat(lines, graph) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := schedule.DecodeRecord(data)
		if err != nil {
			return
		}
		for _, log := range [][][]byte{lines[:0], lines[:1], lines[:len(lines)/2], lines, graph[:len(graph)/2], graph} {
			run, err := scheduletest.Replay(schedule.Default(), log)
			if err != nil {
				t.Fatal(err)
			}
			_ = run.Apply(rec)
		}
	})
}
