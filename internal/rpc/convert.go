package rpc

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/schedule"
)

func stateOf(s schedule.RunState) millracev1.RunState {
	switch s {
	case schedule.RunRunning:
		return millracev1.RunState_RUN_STATE_RUNNING
	case schedule.RunSucceeded:
		return millracev1.RunState_RUN_STATE_SUCCEEDED
	case schedule.RunFailed:
		return millracev1.RunState_RUN_STATE_FAILED
	case schedule.RunCancelled:
		return millracev1.RunState_RUN_STATE_CANCELLED
	}
	return millracev1.RunState_RUN_STATE_UNSPECIFIED
}

// classOf is empty for a class this build does not know.
func classOf(c millracev1.FailureClass) schedule.Class {
	switch c {
	case millracev1.FailureClass_FAILURE_CLASS_USER:
		return schedule.User
	case millracev1.FailureClass_FAILURE_CLASS_INFRASTRUCTURE:
		return schedule.Infrastructure
	case millracev1.FailureClass_FAILURE_CLASS_FINAL:
		return schedule.Final
	case millracev1.FailureClass_FAILURE_CLASS_CANCELLED:
		return schedule.CancelledClass
	case millracev1.FailureClass_FAILURE_CLASS_UNSPECIFIED:
	}
	return ""
}

func classProto(c schedule.Class) millracev1.FailureClass {
	switch c {
	case schedule.User:
		return millracev1.FailureClass_FAILURE_CLASS_USER
	case schedule.Infrastructure:
		return millracev1.FailureClass_FAILURE_CLASS_INFRASTRUCTURE
	case schedule.Final:
		return millracev1.FailureClass_FAILURE_CLASS_FINAL
	case schedule.CancelledClass:
		return millracev1.FailureClass_FAILURE_CLASS_CANCELLED
	}
	return millracev1.FailureClass_FAILURE_CLASS_UNSPECIFIED
}

func failureOf(f *millracev1.Failure) *schedule.Failure {
	out := &schedule.Failure{Class: classOf(f.GetClass()), Reason: f.GetReason(), OutOfMemory: f.GetOutOfMemory()}
	if f.ExitCode != nil {
		out.ExitCode = new(int(f.GetExitCode()))
	}
	return out
}

func failureProto(f *schedule.Failure) *millracev1.Failure {
	if f == nil {
		return nil
	}
	out := &millracev1.Failure{Class: classProto(f.Class), Reason: f.Reason, OutOfMemory: f.OutOfMemory}
	if f.ExitCode != nil {
		out.ExitCode = new(int32(*f.ExitCode))
	}
	return out
}

func transitionOf(t *millracev1.Transition) *schedule.Transition {
	return &schedule.Transition{Next: t.GetNext(), NumSplits: t.GetNumSplits(), GangSize: t.GetGangSize()}
}

func transitionProto(t *schedule.Transition) *millracev1.Transition {
	return &millracev1.Transition{Next: t.Next, NumSplits: t.NumSplits, GangSize: t.GangSize}
}

func resumeProto(r *schedule.Resume) *millracev1.Resume {
	if r == nil {
		return nil
	}
	return &millracev1.Resume{OriginRun: r.OriginRun, Step: r.Step}
}

// resumeOf is nil when the run does not go on from another.
func resumeOf(r *millracev1.Resume) *schedule.Resume {
	if r == nil {
		return nil
	}
	return &schedule.Resume{OriginRun: r.GetOriginRun(), Step: r.GetStep()}
}

func taskRef(id schedule.TaskID) *millracev1.TaskRef {
	return &millracev1.TaskRef{Step: id.Step, TaskId: id.Task}
}

func taskProto(g schedule.Grant) *millracev1.Task {
	out := &millracev1.Task{
		Token: g.Token, Task: taskRef(g.Task), Kind: millracev1.TaskKind_TASK_KIND_STEP, Inputs: inputsProto(g.Inputs),
		SplitIndex: g.SplitIndex, IndexPath: g.IndexPath, CloneFrom: g.CloneFrom, OriginRun: g.OriginRun,
	}
	if g.Parameters {
		out.Kind, out.Parameters = millracev1.TaskKind_TASK_KIND_PARAMETERS, g.ParametersJSON
	}
	if g.AdoptAttempt != nil {
		out.AdoptAttempt = new(int32(*g.AdoptAttempt))
	}
	if gang := g.Gang; gang != nil {
		out.Gang = &millracev1.Gang{Size: int32(gang.Size), Rank: int32(gang.Rank), MainAddress: gang.MainAddress, Members: gang.Members}
	}
	return out
}

func inputsProto(in schedule.Inputs) *millracev1.TaskInputs {
	if len(in.Ranges) > 0 {
		out := &millracev1.TaskRanges{Count: in.Count}
		for _, r := range in.Ranges {
			out.Ranges = append(out.Ranges, &millracev1.LeafRange{First: r.First, Last: r.Last, Step: r.Step, Prefix: r.Prefix, Suffix: r.Suffix})
		}
		return &millracev1.TaskInputs{Inputs: &millracev1.TaskInputs_Ranges{Ranges: out}}
	}
	out := &millracev1.TaskList{}
	for _, id := range in.List {
		out.Tasks = append(out.Tasks, taskRef(id))
	}
	return &millracev1.TaskInputs{Inputs: &millracev1.TaskInputs_List{List: out}}
}

func drainedProto(d schedule.Drained) *millracev1.Drained {
	out := &millracev1.Drained{}
	for _, l := range d.Lists {
		workers := make([]int32, l.Workers)
		for i := range workers {
			workers[i] = int32(i)
		}
		out.Lists = append(out.Lists, &millracev1.WorkerList{Step: l.Step, Workers: workers})
	}
	return out
}

func endedProto(e schedule.Ended) *millracev1.RunEnded {
	return &millracev1.RunEnded{State: stateOf(e.State), Reason: e.Reason, ExitFailed: e.ExitFailed}
}

func duration(m schedule.Millis) *durationpb.Duration {
	return durationpb.New(time.Duration(m) * time.Millisecond)
}

// moment is absent for 0, which is "not yet" everywhere in the core.
func moment(m schedule.Millis) *timestamppb.Timestamp {
	if m == 0 {
		return nil
	}
	return timestamppb.New(time.UnixMilli(int64(m)))
}
