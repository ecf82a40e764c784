package rpc

import (
	"cmp"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

func runView(s schedule.Snapshot) *millracev1.GetRunResponse {
	out := &millracev1.GetRunResponse{Run: &millracev1.RunSummary{
		RunId: s.Run.RunID, Flow: s.Run.Flow, State: stateOf(s.Run.State), Reason: cmp.Or(s.Run.Reason, s.Run.Missing),
		OpenedAt: moment(s.Run.OpenedAt), EndedAt: moment(s.Run.EndedAt),
		Resumed: resumeProto(s.Run.Resumed),
	}}
	for _, p := range s.Pools {
		out.Pools = append(out.Pools, &millracev1.PoolSummary{
			Pool: p.Pool, Steps: p.Steps, Tasks: p.Tasks, Waiting: p.Waiting, Running: p.Running, Succeeded: p.Succeeded,
			Failed: p.Failed, WorkersExpected: int32(p.WorkersExpected), WorkersJoined: int32(p.WorkersJoined),
			Drained: p.Drained, WaitingSince: moment(p.WaitingSince),
		})
	}
	return out
}

func runSummary(i runstore.RunInfo) *millracev1.RunSummary {
	return &millracev1.RunSummary{
		RunId: i.RunID, Flow: i.Flow, State: stateOf(schedule.RunState(i.State)), Reason: i.Reason,
		OpenedAt: moment(schedule.Millis(i.OpenedAt)), EndedAt: moment(schedule.Millis(i.EndedAt)),
	}
}

func taskView(t schedule.TaskView) *millracev1.TaskView {
	out := &millracev1.TaskView{Task: taskRef(t.Task), State: t.State, Cloned: t.Cloned, ContinuedAs: t.ContinuedAs}
	for _, a := range t.Attempts {
		out.Attempts = append(out.Attempts, &millracev1.AttemptView{
			Attempt: int32(a.Attempt), Outcome: a.Outcome, Failure: failureProto(a.Failure), Adopted: a.Adopted, Worker: a.Worker,
			StartedAt: moment(a.StartedAt), EndedAt: moment(a.EndedAt),
		})
	}
	return out
}
