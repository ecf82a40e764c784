package driverclient

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
)

func TestTask(t *testing.T) {
	for name, tt := range map[string]struct {
		proto *millracev1.Task
		want  *Task
	}{
		"empty": {&millracev1.Task{}, &Task{Slot: 1}},
		"member of a gang": {
			&millracev1.Task{
				Token: 3, Task: &millracev1.TaskRef{Step: "train", TaskId: "task-n1"}, Kind: millracev1.TaskKind_TASK_KIND_STEP,
				SplitIndex: new(int64(1)), IndexPath: []int64{2},
				Gang: &millracev1.Gang{Size: 2, Rank: 1, MainAddress: "10.0.0.7:4000", Members: []string{"task-n0", "task-n1"}},
			},
			&Task{
				Slot: 1, Token: 3, Ref: TaskRef{Step: "train", TaskID: "task-n1"}, SplitIndex: new(int64(1)), IndexPath: []int64{2},
				Gang: &Gang{Size: 2, Rank: 1, MainAddress: "10.0.0.7:4000", Members: []string{"task-n0", "task-n1"}},
			},
		},
		"parameters of a resumed run": {
			&millracev1.Task{
				Token: 1, Task: &millracev1.TaskRef{Step: "_parameters", TaskId: "params"}, Kind: millracev1.TaskKind_TASK_KIND_PARAMETERS,
				Parameters: "{}", CloneFrom: "kfp-0", OriginRun: "kfp-0", AdoptAttempt: new(int32(0)),
			},
			&Task{
				Slot: 1, Token: 1, Ref: TaskRef{Step: "_parameters", TaskID: "params"}, Parameters: true, ParametersJSON: "{}",
				CloneFrom: "kfp-0", OriginRun: "kfp-0", AdoptAttempt: new(0),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, task(1, tt.proto)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
