package rpc

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/driverclient"
	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

var long = strings.Repeat("x", 300)

func heldOf(change func(*millracev1.ReportTaskRequest)) *millracev1.ReportTaskRequest {
	in := &millracev1.ReportTaskRequest{
		RunId: "kfp-1", IncarnationId: "w0", Task: &millracev1.TaskRef{Step: "only", TaskId: "task"}, Token: 1,
		Outcome: &millracev1.ReportTaskRequest_Succeeded{Succeeded: &millracev1.Transition{}},
	}
	change(in)
	return in
}

// TestReportFields: every wrong field is refused by its name.
func TestReportFields(t *testing.T) {
	type R = millracev1.ReportTaskRequest
	succeeded := func(tr *millracev1.Transition) func(*R) {
		return func(r *R) { r.Outcome = &millracev1.ReportTaskRequest_Succeeded{Succeeded: tr} }
	}
	failed := func(f *millracev1.Failure) func(*R) {
		return func(r *R) { r.Outcome = &millracev1.ReportTaskRequest_Failed{Failed: f} }
	}
	for _, tt := range []struct {
		field  string // empty: it is good
		change func(*R)
	}{
		{"", func(*R) {}},
		{"", func(r *R) { r.Task.Step = "_parameters" }},
		{"", func(r *R) { r.Task.Step = "schritt_ä1" }},
		{"run_id", func(r *R) { r.RunId = "" }},
		{"run_id", func(r *R) { r.RunId = "../kfp" }},
		{"run_id", func(r *R) { r.RunId = long }},
		{"incarnation_id", func(r *R) { r.IncarnationId = "" }},
		{"incarnation_id", func(r *R) { r.IncarnationId = "a b" }},
		{"slot", func(r *R) { r.Slot = -1 }},
		{"task", func(r *R) { r.Task = nil }},
		{"task.step", func(r *R) { r.Task.Step = "a/b" }},
		{"task.step", func(r *R) { r.Task.Step = "1a" }},
		{"task.step", func(r *R) { r.Task.Step = long }},
		{"task.task_id", func(r *R) { r.Task.TaskId = "7" }},
		{"token", func(r *R) { r.Token = 0 }},
		{"attempt", func(r *R) { r.Attempt = -1 }},
		{"", func(r *R) { r.Cloned = true }},
		{"", func(r *R) { r.Cloned, r.Adopted = true, true }},
		{"cloned", func(r *R) {
			r.Cloned = true
			failed(&millracev1.Failure{Class: 1, Reason: "boom"})(r)
		}},
		{"", failed(&millracev1.Failure{Class: 1, Reason: "killed", OutOfMemory: true})},
		{"outcome", func(r *R) { r.Outcome = nil }},
		{"succeeded.next[1]", succeeded(&millracev1.Transition{Next: []string{"a", ""}})},
		{"succeeded.next", succeeded(&millracev1.Transition{Next: make([]string, 1001)})},
		{"succeeded.num_splits", succeeded(&millracev1.Transition{NumSplits: -1})},
		{"succeeded.gang_size", succeeded(&millracev1.Transition{GangSize: -1})},
		{"failed.class", failed(&millracev1.Failure{})},
		{"failed.class", failed(&millracev1.Failure{Class: 99})},
		{"failed.reason", failed(&millracev1.Failure{Class: 1, Reason: strings.Repeat("x", maxText+1)})},
	} {
		_, err := reported(heldOf(tt.change))
		switch {
		case tt.field == "" && err != nil:
			t.Errorf("a good report is refused: %v", err)
		case tt.field != "" && (!errors.Is(err, schedule.ErrInvalid) || !strings.HasPrefix(err.Error(), "invalid: "+tt.field+": ")):
			t.Errorf("%s: %v", tt.field, err)
		}
	}
}

// TestRequestFields sends wrong requests over the wire.
func TestRequestFields(t *testing.T) {
	d := newDriver(t)
	d.open("kfp-1", scheduletest.Flow("only end"))
	conn := d.raw()
	runs, leases := millracev1.NewRunServiceClient(conn), millracev1.NewLeaseServiceClient(conn)
	service := withToken(t.Context(), serviceToken)
	session := withToken(t.Context(), newKeys(serviceToken).sessionToken("kfp-1"))
	hello := &millracev1.Hello{Protocol: 1, Build: "test"}
	definition, sum := document(t, scheduletest.Flow("only end"))
	wrong, wrongSum := document(t, scheduletest.Flow("a linear nowhere", "b end"))
	open := func(in *millracev1.OpenRunRequest) error { _, err := runs.OpenRun(service, in); return err }
	resumed := func(r *millracev1.Resume, parameters *string) error {
		return open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-2", DefinitionSha256: sum, Parameters: parameters, Resume: r})
	}
	given := new(`{"alpha": 0.5}`)
	joined := func(in *millracev1.JoinPoolRequest) error { _, err := leases.JoinPool(session, in); return err }
	asked := func(in *millracev1.AcquireLeaseRequest) error { _, err := leases.AcquireLease(session, in); return err }
	for _, tt := range []struct {
		name string
		err  error
		code codes.Code
		says string
	}{
		{"no hello", open(&millracev1.OpenRunRequest{RunId: "kfp-2", DefinitionSha256: sum}), codes.InvalidArgument, "hello"},
		{"old protocol", open(&millracev1.OpenRunRequest{Hello: &millracev1.Hello{Build: "launcher 0.0.1"}, RunId: "kfp-2"}), codes.FailedPrecondition, "launcher 0.0.1 speaks protocol 0"},
		{"old protocol at join", joined(&millracev1.JoinPoolRequest{Hello: &millracev1.Hello{}, RunId: "kfp-1"}), codes.FailedPrecondition, "protocol 0"},
		{"a newer protocol is let in", open(&millracev1.OpenRunRequest{Hello: &millracev1.Hello{Protocol: 9}, RunId: "kfp-1", DefinitionSha256: sum}), codes.OK, ""},
		{"no digest", open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-2"}), codes.InvalidArgument, "definition_sha256"},
		{"digest of something else", open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-2", Definition: wrong, DefinitionSha256: sum}), codes.InvalidArgument, "definition_sha256"},
		{"wrong definition", open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-2", Definition: wrong, DefinitionSha256: wrongSum}), codes.InvalidArgument, "steps[0].next"},
		{"definition not sent", open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-2", DefinitionSha256: wrongSum}), codes.NotFound, "definition"},
		{"parameters are no object", open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-2", Definition: definition, DefinitionSha256: sum, Parameters: new("[]")}), codes.InvalidArgument, "parameters"},
		{"other parameters", open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-1", DefinitionSha256: sum, Parameters: new(`{"alpha": 1}`)}), codes.AlreadyExists, "parameters"},
		{"the same parameters, written otherwise", open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-1", DefinitionSha256: sum, Parameters: new(`{ "alpha":0.5}`)}), codes.OK, ""},
		{"control character", open(&millracev1.OpenRunRequest{Hello: hello, RunId: "kfp-2", DefinitionSha256: sum, DefinitionUrl: "a\nb"}), codes.InvalidArgument, "definition_url"},
		{"no pool", joined(&millracev1.JoinPoolRequest{Hello: hello, RunId: "kfp-1", IncarnationId: "w0"}), codes.InvalidArgument, "pool"},
		{"unknown pool", joined(&millracev1.JoinPoolRequest{Hello: hello, RunId: "kfp-1", IncarnationId: "w0", Pool: "other"}), codes.NotFound, "other"},
		{"negative worker", joined(&millracev1.JoinPoolRequest{Hello: hello, RunId: "kfp-1", IncarnationId: "w0", Pool: "only", Worker: -1}), codes.InvalidArgument, "worker"},
		{"long pod name", joined(&millracev1.JoinPoolRequest{Hello: hello, RunId: "kfp-1", IncarnationId: "w0", Pool: "only", PodName: long}), codes.InvalidArgument, "pod_name"},
		{"address without a port", joined(&millracev1.JoinPoolRequest{Hello: hello, RunId: "kfp-1", IncarnationId: "w0", Pool: "only", Address: "10.0.0.7"}), codes.InvalidArgument, "address"},
		{"resume without parameters", resumed(&millracev1.Resume{OriginRun: "kfp-1"}, nil), codes.InvalidArgument, "resume"},
		{"resume of no run", resumed(&millracev1.Resume{OriginRun: "7"}, given), codes.InvalidArgument, "resume.origin_run"},
		{"resume of itself", resumed(&millracev1.Resume{OriginRun: "kfp-2"}, given), codes.InvalidArgument, "resume.origin_run"},
		{"resume at no step", resumed(&millracev1.Resume{OriginRun: "kfp-1", Step: "a/b"}, given), codes.InvalidArgument, "resume.step"},
		{"prefer is no path", asked(&millracev1.AcquireLeaseRequest{RunId: "kfp-1", IncarnationId: "w0", Prefer: "3-"}), codes.InvalidArgument, "prefer"},
		{"not joined", asked(&millracev1.AcquireLeaseRequest{RunId: "kfp-1", IncarnationId: "w9"}), codes.NotFound, "w9"},
	} {
		if got := status.Convert(tt.err); got.Code() != tt.code || !strings.Contains(got.Message(), tt.says) {
			t.Errorf("%s: %s: %s", tt.name, got.Code(), got.Message())
		}
	}
}

// TestErrorTable: what the server says and what a launcher makes of it.
func TestErrorTable(t *testing.T) {
	for err, code := range map[error]codes.Code{
		schedule.ErrStale: codes.Aborted, schedule.ErrUnknown: codes.NotFound, schedule.ErrConflict: codes.AlreadyExists,
		schedule.ErrInvalid: codes.InvalidArgument, runstore.ErrUnknownDefinition: codes.NotFound, errTooOld: codes.FailedPrecondition,
		dispatch.ErrUnavailable: codes.Unavailable, dispatch.ErrBusy: codes.Unavailable, dispatch.ErrStopped: codes.Unavailable,
		errStopping: codes.Unavailable, errors.New("other"): codes.Internal, context.Canceled: codes.Canceled,
	} {
		if got := status.Code(toStatus(err)); got != code {
			t.Errorf("%v is told as %s, not %s", err, got, code)
		}
	}
}

// TestUnknownRun: a launcher of a run that the driver lost learns just that.
func TestUnknownRun(t *testing.T) {
	d := newDriver(t)
	people := d.client(serviceToken)
	if _, err := people.GetRun(t.Context(), "kfp-9"); !errors.Is(err, driverclient.ErrUnknown) {
		t.Errorf("an unknown run: %v", err)
	}
	if err := people.CancelRun(t.Context(), "kfp-9", ""); !errors.Is(err, driverclient.ErrUnknown) {
		t.Errorf("cancelling an unknown run: %v", err)
	}
}

// TestPanic: a handler that fails takes neither the driver nor its reason out.
func TestPanic(t *testing.T) {
	d := newDriver(t)
	h := &handlers{cfg: Config{Logger: d.logger()}, keys: newKeys(serviceToken)}
	info := &grpc.UnaryServerInfo{FullMethod: "/grpc.health.v1.Health/Check"}
	_, err := h.unary(t.Context(), nil, info, func(context.Context, any) (any, error) { panic("secret") })
	if got := status.Convert(err); got.Code() != codes.Internal || strings.Contains(got.Message(), "secret") {
		t.Errorf("a panic is told as %v", err)
	}
}

func FuzzOpening(f *testing.F) {
	good, _ := proto.Marshal(&millracev1.OpenRunRequest{
		RunId: "kfp-1", DefinitionSha256: strings.Repeat("0", 64), Parameters: new("{}"), Resume: &millracev1.Resume{OriginRun: "kfp-0", Step: "only"},
	})
	f.Add(good, "10.0.0.7:4000")
	f.Add(good, "[fd00::7%eth0]:1")
	f.Fuzz(func(t *testing.T, data []byte, address string) {
		var in millracev1.OpenRunRequest
		if proto.Unmarshal(data, &in) == nil && checkOpening(&in) == nil && in.GetResume() != nil {
			if r := in.GetResume(); in.Parameters == nil || !idPattern.MatchString(r.GetOriginRun()) || r.GetOriginRun() == in.GetRunId() {
				t.Errorf("taken: %v", &in)
			}
		}
		var c checks
		if c.address("address", address); c.err == nil && strings.ContainsAny(address, " \n\x00/$") {
			t.Errorf("taken: %q", address)
		}
	})
}

func FuzzReport(f *testing.F) {
	good, _ := proto.Marshal(heldOf(func(*millracev1.ReportTaskRequest) {}))
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		var in millracev1.ReportTaskRequest
		if proto.Unmarshal(data, &in) != nil {
			return
		}
		event, err := reported(&in)
		if err == nil && (event.Succeeded == nil) == (event.Failed == nil) {
			t.Errorf("taken: %+v", event)
		}
	})
}
