package driverclient

import (
	"context"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
)

// OpenRun is what a launcher says of its run.
type OpenRun struct {
	RunID string
	// Definition is nil at first: the digest is enough for a run the driver
	// knows.
	Definition       []byte
	DefinitionSHA256 string
	DefinitionURL    string
	// Parameters is the JSON object of exact values; nil from all but the
	// first pool.
	Parameters *string
	// Resume comes with the parameters of a run that goes on from another.
	Resume *Resume
}

// Resume names the run whose finished tasks are taken over. Step, when not
// empty, runs again, and all that follows from it.
type Resume struct{ OriginRun, Step string }

func (r *Resume) proto() *millracev1.Resume {
	if r == nil {
		return nil
	}
	return &millracev1.Resume{OriginRun: r.OriginRun, Step: r.Step}
}

// OpenRun makes the run known and keeps the session token for the calls that
// follow. ErrUnknown asks for the definition's bytes.
func (c *Client) OpenRun(ctx context.Context, run OpenRun) error {
	out, err := call(ctx, "OpenRun "+run.RunID, c.runs.OpenRun, &millracev1.OpenRunRequest{
		Hello: c.hello(), RunId: run.RunID, Definition: run.Definition, DefinitionSha256: run.DefinitionSHA256,
		DefinitionUrl: run.DefinitionURL, Parameters: run.Parameters, Resume: run.Resume.proto(),
	}, c.service())
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.session, c.runID = out.GetSessionToken(), run.RunID
	c.mu.Unlock()
	return nil
}

// VerifyRun says whether the run is complete, and else what is missing.
func (c *Client) VerifyRun(ctx context.Context) (RunState, string, error) {
	out, err := call(ctx, "VerifyRun", c.runs.VerifyRun, &millracev1.VerifyRunRequest{RunId: c.run()}, c.inRun())
	return runState(out.GetState()), out.GetReason(), err
}

// FinishRun records how KFP saw the flow end.
func (c *Client) FinishRun(ctx context.Context, kfpState, message string) (RunState, error) {
	out, err := call(ctx, "FinishRun", c.runs.FinishRun, &millracev1.FinishRunRequest{
		RunId: c.run(), KfpState: kfpState, Message: message,
	}, c.inRun())
	return runState(out.GetState()), err
}

func runState(s millracev1.RunState) RunState {
	switch s {
	case millracev1.RunState_RUN_STATE_RUNNING:
		return RunRunning
	case millracev1.RunState_RUN_STATE_SUCCEEDED:
		return RunSucceeded
	case millracev1.RunState_RUN_STATE_FAILED:
		return RunFailed
	case millracev1.RunState_RUN_STATE_CANCELLED:
		return RunCancelled
	}
	return RunUnknown
}
