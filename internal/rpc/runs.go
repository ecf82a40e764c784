package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"google.golang.org/grpc"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/failpoint"
	"github.com/millrace/millrace/internal/flowdef"
	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/protocol"
	"github.com/millrace/millrace/internal/schedule"
)

// runs is the RunService.
type runs struct {
	millracev1.UnimplementedRunServiceServer
	*handlers
}

func (h *handlers) hello() *millracev1.Hello {
	return &millracev1.Hello{Protocol: protocol.Version, Build: h.cfg.Build}
}

// OpenRun makes the run known or compares.
func (s *runs) OpenRun(ctx context.Context, in *millracev1.OpenRunRequest) (*millracev1.OpenRunResponse, error) {
	if err := greet(in.GetHello()); err != nil {
		return nil, err
	}
	if err := checkOpening(in); err != nil {
		return nil, err
	}
	opening := dispatch.Opening{
		RunID: in.GetRunId(), DefinitionSHA256: in.GetDefinitionSha256(), Parameters: in.Parameters, Resume: resumeOf(in.GetResume()),
	}
	if len(in.GetDefinition()) > 0 {
		opening.Definition = in.GetDefinition()
	}
	if err := s.cfg.Dispatcher.Open(ctx, opening); err != nil {
		return nil, err
	}
	if err := lost(failpoint.DriverReplyOpen); err != nil {
		return nil, err
	}
	return &millracev1.OpenRunResponse{Hello: s.hello(), SessionToken: s.keys.sessionToken(in.GetRunId())}, nil
}

// checkOpening also reads the definition, so that a wrong one is refused here
// and never stored.
func checkOpening(in *millracev1.OpenRunRequest) error {
	var c checks
	c.runID(in.GetRunId())
	c.matches(digestPattern, "definition_sha256", in.GetDefinitionSha256(), "64 lower-case hex digits")
	c.line("definition_url", in.GetDefinitionUrl(), 4096)
	c.ok(len(in.GetParameters()) <= maxParameters, "parameters", "%d bytes long, more than %d", len(in.GetParameters()), maxParameters)
	c.resume(in)
	definition := in.GetDefinition()
	c.ok(len(definition) <= flowdef.MaxBytes, "definition", "%d bytes long, more than %d", len(definition), flowdef.MaxBytes)
	if c.err != nil || len(definition) == 0 {
		return c.err
	}
	if sum := sha256.Sum256(definition); hex.EncodeToString(sum[:]) != in.GetDefinitionSha256() {
		return field("definition_sha256", "is not the digest of the definition, which is %x", sum)
	}
	if _, err := flowdef.Decode(definition); err != nil {
		return fmt.Errorf("%w: definition: %w", schedule.ErrInvalid, err)
	}
	return nil
}

// VerifyRun says whether the run is complete.
func (s *runs) VerifyRun(ctx context.Context, in *millracev1.VerifyRunRequest) (*millracev1.VerifyRunResponse, error) {
	var c checks
	if c.runID(in.GetRunId()); c.err != nil {
		return nil, c.err
	}
	answer, err := s.do(ctx, in.GetRunId(), schedule.VerifyAsked{}, failpoint.DriverReplyVerify)
	if err != nil {
		return nil, err
	}
	verdict, ok := answer.(schedule.VerifyAnswer)
	if !ok {
		return nil, unexpected(answer)
	}
	return &millracev1.VerifyRunResponse{State: stateOf(verdict.State), Reason: verdict.Reason}, nil
}

// FinishRun records how KFP saw the flow end.
func (s *runs) FinishRun(ctx context.Context, in *millracev1.FinishRunRequest) (*millracev1.FinishRunResponse, error) {
	var c checks
	c.runID(in.GetRunId())
	c.ok(in.GetKfpState() != "", "kfp_state", "missing")
	c.line("kfp_state", in.GetKfpState(), 64)
	c.text("message", in.GetMessage())
	if c.err != nil {
		return nil, c.err
	}
	event := schedule.Finished{KFPState: in.GetKfpState(), Message: in.GetMessage()}
	if _, err := s.do(ctx, in.GetRunId(), event, failpoint.DriverReplyFinish); err != nil {
		return nil, err
	}
	state, err := s.state(ctx, in.GetRunId())
	return &millracev1.FinishRunResponse{State: state}, err
}

// CancelRun stops the run.
func (s *runs) CancelRun(ctx context.Context, in *millracev1.CancelRunRequest) (*millracev1.CancelRunResponse, error) {
	var c checks
	c.runID(in.GetRunId())
	c.text("reason", in.GetReason())
	if c.err != nil {
		return nil, c.err
	}
	if _, err := s.cfg.Dispatcher.Do(ctx, in.GetRunId(), schedule.Cancelled{Reason: in.GetReason()}); err != nil {
		return nil, err
	}
	state, err := s.state(ctx, in.GetRunId())
	return &millracev1.CancelRunResponse{State: state}, err
}

func (h *handlers) state(ctx context.Context, runID string) (millracev1.RunState, error) {
	run, err := h.look(ctx, runID)
	return stateOf(run.State), err
}

// GetRun describes one run and its pools.
func (s *runs) GetRun(ctx context.Context, in *millracev1.GetRunRequest) (*millracev1.GetRunResponse, error) {
	var c checks
	if c.runID(in.GetRunId()); c.err != nil {
		return nil, c.err
	}
	var snapshot schedule.Snapshot
	if err := s.cfg.Dispatcher.View(ctx, in.GetRunId(), func(r *schedule.Run) { snapshot = r.Snapshot() }); err != nil {
		return nil, err
	}
	return runView(snapshot), nil
}

// ListRuns lists the runs of a flow, or of all.
func (s *runs) ListRuns(ctx context.Context, in *millracev1.ListRunsRequest) (*millracev1.ListRunsResponse, error) {
	var c checks
	if c.line("flow", in.GetFlow(), maxName); c.err != nil {
		return nil, c.err
	}
	found, err := s.cfg.Dispatcher.Runs(ctx, in.GetFlow())
	if err != nil {
		return nil, err
	}
	out := &millracev1.ListRunsResponse{}
	for _, info := range found {
		out.Runs = append(out.Runs, runSummary(info))
	}
	return out, nil
}

// ListTasks streams every task. All are taken from the loop at once, so that
// they are of one moment, and sent after.
func (s *runs) ListTasks(in *millracev1.ListTasksRequest, out grpc.ServerStreamingServer[millracev1.ListTasksResponse]) error {
	var c checks
	if c.runID(in.GetRunId()); c.err != nil {
		return c.err
	}
	var tasks []schedule.TaskView
	err := s.cfg.Dispatcher.View(out.Context(), in.GetRunId(), func(r *schedule.Run) {
		for t := range r.Tasks() {
			tasks = append(tasks, t)
		}
	})
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if err := out.Send(&millracev1.ListTasksResponse{Task: taskView(t)}); err != nil {
			return err
		}
	}
	return nil
}

// unexpected is a fault of ours: an event was answered with what it never is.
func unexpected(answer schedule.Answer) error {
	return fmt.Errorf("internal error: the scheduler answered %T", answer)
}
