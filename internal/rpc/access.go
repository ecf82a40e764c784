package rpc

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
)

// access says which credentials a call takes.
type access int

const (
	// forNobody is the zero value: a call that is not listed is refused.
	forNobody access = iota
	forService
	forRun
	forBoth
	forAll
)

// accessOf lists every call.
func accessOf(method string) access {
	switch method {
	case millracev1.RunService_OpenRun_FullMethodName,
		millracev1.RunService_ListRuns_FullMethodName,
		millracev1.RunService_CancelRun_FullMethodName,
		millracev1.LeaseService_ReportPodGone_FullMethodName:
		return forService
	case millracev1.RunService_GetRun_FullMethodName,
		millracev1.RunService_ListTasks_FullMethodName,
		millracev1.RunService_VerifyRun_FullMethodName,
		millracev1.RunService_FinishRun_FullMethodName:
		return forBoth
	case millracev1.LeaseService_JoinPool_FullMethodName,
		millracev1.LeaseService_AcquireLease_FullMethodName,
		millracev1.LeaseService_Session_FullMethodName,
		millracev1.LeaseService_ReleaseLease_FullMethodName,
		millracev1.LeaseService_LeavePool_FullMethodName,
		millracev1.LeaseService_AwaitGate_FullMethodName,
		millracev1.ReportService_StartAttempt_FullMethodName,
		millracev1.ReportService_ReportTask_FullMethodName:
		return forRun
	}
	// Probes have no credentials; the answer says no more than /readyz.
	if strings.HasPrefix(method, "/grpc.health.v1.Health/") {
		return forAll
	}
	return forNobody
}

// authorize checks the call's credential against its method and the run that
// the message names.
func (k *keys) authorize(ctx context.Context, method string, message any) error {
	takes := accessOf(method)
	if takes == forAll {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	token, err := bearer(md)
	if err != nil {
		return err
	}
	run := ""
	if m, ok := message.(interface{ GetRunId() string }); ok {
		run = m.GetRunId()
	}
	switch who, of := k.identify(token); {
	case who == nobody:
		return errStranger
	case who == service && (takes == forService || takes == forBoth):
		return nil
	case who == service && takes == forRun:
		return status.Error(codes.PermissionDenied, "this call takes the session token that OpenRun answered, not the service token")
	case takes != forRun && takes != forBoth:
		return status.Error(codes.PermissionDenied, "this call takes the service token, not a run's session token")
	case of != run:
		return status.Errorf(codes.PermissionDenied, "run_id: the session token is that of another run than %q", short(run))
	}
	return nil
}

// admit turns strangers away by the call's head alone, before its message,
// which may be large, is read.
func (k *keys) admit(ctx context.Context, info *tap.Info) (context.Context, error) {
	if accessOf(info.FullMethodName) == forAll {
		return ctx, nil
	}
	token, err := bearer(info.Header)
	if err != nil {
		return nil, err
	}
	if who, _ := k.identify(token); who == nobody {
		return nil, errStranger
	}
	return ctx, nil
}

var errStranger = status.Error(codes.Unauthenticated, "the token is not this driver's")

// bearer is the token the call came with.
func bearer(md metadata.MD) (string, error) {
	values := md.Get("authorization")
	if len(values) != 1 {
		return "", status.Error(codes.Unauthenticated, "the token is missing: set MILLRACE_TOKEN, or MILLRACE_TOKEN_FILE to a file that holds it")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", status.Error(codes.Unauthenticated, "authorization: wanted a bearer token")
	}
	return token, nil
}

// authorizedStream checks each message: a stream's run is known only from
// what comes through it.
type authorizedStream struct {
	grpc.ServerStream
	keys   *keys
	method string
}

// RecvMsg implements grpc.ServerStream.
func (s *authorizedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.keys.authorize(s.Context(), s.method, m)
}
