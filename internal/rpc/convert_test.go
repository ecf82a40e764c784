package rpc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/schedule"
)

// TestTaskProto: what the core grants is what the launcher is told.
func TestTaskProto(t *testing.T) {
	id := schedule.TaskID{Step: "train", Task: "task-2-n1"}
	inputs := schedule.Inputs{List: []schedule.TaskID{{Step: "fan", Task: "task-2"}}}
	proto := func(change func(*millracev1.Task)) *millracev1.Task {
		out := &millracev1.Task{
			Token: 3, Task: &millracev1.TaskRef{Step: "train", TaskId: "task-2-n1"}, Kind: millracev1.TaskKind_TASK_KIND_STEP,
			Inputs: &millracev1.TaskInputs{Inputs: &millracev1.TaskInputs_List{List: &millracev1.TaskList{
				Tasks: []*millracev1.TaskRef{{Step: "fan", TaskId: "task-2"}},
			}}},
		}
		change(out)
		return out
	}
	for name, tt := range map[string]struct {
		grant schedule.Grant
		want  *millracev1.Task
	}{
		"member of a gang": {
			schedule.Grant{Token: 3, Task: id, Inputs: inputs, SplitIndex: new(int64(1)), IndexPath: []int64{2}, Gang: &schedule.Gang{
				Size: 2, Rank: 1, MainAddress: "10.0.0.7:4000", Members: []string{"task-2-n0", "task-2-n1"},
			}},
			proto(func(p *millracev1.Task) {
				p.SplitIndex, p.IndexPath = new(int64(1)), []int64{2}
				p.Gang = &millracev1.Gang{Size: 2, Rank: 1, MainAddress: "10.0.0.7:4000", Members: []string{"task-2-n0", "task-2-n1"}}
			}),
		},
		"of a resumed run": {
			schedule.Grant{Token: 3, Task: id, Inputs: inputs, CloneFrom: "kfp-0", OriginRun: "kfp-0"},
			proto(func(p *millracev1.Task) { p.CloneFrom, p.OriginRun = "kfp-0", "kfp-0" }),
		},
		"to be adopted": {
			schedule.Grant{Token: 3, Task: id, Inputs: inputs, AdoptAttempt: new(0)},
			proto(func(p *millracev1.Task) { p.AdoptAttempt = new(int32(0)) }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, taskProto(tt.grant), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFailureProto: a failure comes back as it went.
func TestFailureProto(t *testing.T) {
	for _, want := range []*schedule.Failure{
		{Class: schedule.User, Reason: "killed for its memory", ExitCode: new(137), OutOfMemory: true},
		{Class: schedule.Infrastructure, Reason: "no store"},
	} {
		if diff := cmp.Diff(want, failureOf(failureProto(want))); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAddress(t *testing.T) {
	for address, good := range map[string]bool{
		"": true, "10.0.0.7:4000": true, "pod-7.svc.cluster.local:1": true, "[fd00::7]:65535": true,
		"10.0.0.7": false, "10.0.0.7:0": false, "10.0.0.7:65536": false, "10.0.0.7:http": false, ":4000": false,
		"a b:4000": false, "$(id):4000": false, "10.0.0.7:4000\n": false, long + ":4000": false,
	} {
		var c checks
		if c.address("address", address); (c.err == nil) != good {
			t.Errorf("%q: %v", address, c.err)
		}
	}
}
