package rpc

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

// raw is a connection that sends whatever it is given.
func (d *driver) raw() *grpc.ClientConn {
	d.t.Helper()
	conn, err := grpc.NewClient("passthrough:///driver", grpc.WithContextDialer(d.dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// call makes one call with a token and returns its code. Requests are small:
// what is under test is who may ask at all.
type call func(ctx context.Context, c *grpc.ClientConn) error

func calls() map[string]call {
	runs, leases, reports := millracev1.NewRunServiceClient, millracev1.NewLeaseServiceClient, millracev1.NewReportServiceClient
	return map[string]call{
		millracev1.RunService_OpenRun_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := runs(c).OpenRun(ctx, &millracev1.OpenRunRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.RunService_VerifyRun_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := runs(c).VerifyRun(ctx, &millracev1.VerifyRunRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.RunService_FinishRun_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := runs(c).FinishRun(ctx, &millracev1.FinishRunRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.RunService_CancelRun_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := runs(c).CancelRun(ctx, &millracev1.CancelRunRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.RunService_GetRun_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := runs(c).GetRun(ctx, &millracev1.GetRunRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.RunService_ListRuns_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := runs(c).ListRuns(ctx, &millracev1.ListRunsRequest{})
			return err
		},
		millracev1.RunService_ListTasks_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			stream, err := runs(c).ListTasks(ctx, &millracev1.ListTasksRequest{RunId: "kfp-1"})
			if err != nil {
				return err
			}
			_, err = stream.Recv()
			return err
		},
		millracev1.LeaseService_JoinPool_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := leases(c).JoinPool(ctx, &millracev1.JoinPoolRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.LeaseService_AcquireLease_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := leases(c).AcquireLease(ctx, &millracev1.AcquireLeaseRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.LeaseService_Session_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			stream, err := leases(c).Session(ctx)
			if err != nil {
				return err
			}
			if err := stream.Send(&millracev1.SessionRequest{RunId: "kfp-1"}); err != nil {
				return err
			}
			_, err = stream.Recv()
			return err
		},
		millracev1.LeaseService_ReleaseLease_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := leases(c).ReleaseLease(ctx, &millracev1.ReleaseLeaseRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.LeaseService_LeavePool_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := leases(c).LeavePool(ctx, &millracev1.LeavePoolRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.LeaseService_AwaitGate_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := leases(c).AwaitGate(ctx, &millracev1.AwaitGateRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.LeaseService_ReportPodGone_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := leases(c).ReportPodGone(ctx, &millracev1.ReportPodGoneRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.ReportService_StartAttempt_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := reports(c).StartAttempt(ctx, &millracev1.StartAttemptRequest{RunId: "kfp-1"})
			return err
		},
		millracev1.ReportService_ReportTask_FullMethodName: func(ctx context.Context, c *grpc.ClientConn) error {
			_, err := reports(c).ReportTask(ctx, &millracev1.ReportTaskRequest{RunId: "kfp-1"})
			return err
		},
	}
}

// TestCredentials makes every call with every kind of token. A call that is
// let in may fail for another reason.
func TestCredentials(t *testing.T) {
	d := newDriver(t)
	d.open("kfp-1", scheduletest.Flow("only end"))
	conn, all := d.raw(), calls()
	for service, info := range d.server.GetServiceInfo() {
		for _, m := range info.Methods {
			method := "/" + service + "/" + m.Name
			takes := accessOf(method)
			if takes == forAll {
				continue
			}
			call := all[method]
			if call == nil || takes == forNobody {
				t.Fatalf("%s is served, and not listed with what it takes", method)
			}
			k := newKeys(serviceToken)
			for _, tt := range []struct {
				name, token string
				in          bool
				refusal     codes.Code
			}{
				{"no token", "", false, codes.Unauthenticated},
				{"a wrong token", "guess", false, codes.Unauthenticated},
				{"a forged session token", k.sessionToken("kfp-1") + "A", false, codes.Unauthenticated},
				{"another driver's session token", newKeys("other").sessionToken("kfp-1"), false, codes.Unauthenticated},
				{"another run's session token", k.sessionToken("kfp-2"), false, codes.PermissionDenied},
				{"the run's session token", k.sessionToken("kfp-1"), takes == forRun || takes == forBoth, codes.PermissionDenied},
				{"the service token", serviceToken, takes == forService || takes == forBoth, codes.PermissionDenied},
			} {
				code := status.Code(call(withToken(t.Context(), tt.token), conn))
				refused := code == codes.Unauthenticated || code == codes.PermissionDenied
				if refused == tt.in || refused && code != tt.refusal {
					t.Errorf("%s with %s: %s", method, tt.name, code)
				}
			}
		}
	}
}

func TestHealthIsOpen(t *testing.T) {
	d := newDriver(t)
	got, err := healthv1.NewHealthClient(d.raw()).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", got, err)
	}
}

// TestSessionOfTwoRuns: the token is checked for every message of a stream.
func TestSessionOfTwoRuns(t *testing.T) {
	d := newDriver(t)
	c := d.open("kfp-1", scheduletest.Flow("only end"))
	task := join(t, c, "only", "w0").task()
	ctx := withToken(t.Context(), newKeys(serviceToken).sessionToken("kfp-1"))
	stream, err := millracev1.NewLeaseServiceClient(d.raw()).Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	in := &millracev1.SessionRequest{
		RunId: "kfp-1", IncarnationId: "w0", Task: &millracev1.TaskRef{Step: task.Ref.Step, TaskId: task.Ref.TaskID}, Token: task.Token, Sequence: 1,
	}
	if err := stream.Send(in); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	in.RunId = "kfp-2"
	if err := stream.Send(in); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a renewal of another run: %v", err)
	}
}

func TestNoToken(t *testing.T) {
	if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("a server without a token: %v", err)
	}
}

func FuzzIdentify(f *testing.F) {
	k := newKeys(serviceToken)
	f.Add(k.sessionToken("kfp-1"))
	f.Add("s1..")
	f.Add("s1.a2ZwLTE")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		switch who, run := k.identify(token); who {
		case service:
			if token != serviceToken {
				t.Errorf("%q is the service token", token)
			}
		case session:
			if token != k.sessionToken(run) {
				t.Errorf("%q is a session token of %q", token, run)
			}
		case nobody:
		}
	})
}
