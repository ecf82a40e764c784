package driverclient

import (
	"context"
	"errors"
	"io"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
)

// The calls behind the driver binary's commands; they return the wire's own
// types, which those commands print as JSON. All take the service token.

// GetRun describes one run and its pools.
func (c *Client) GetRun(ctx context.Context, runID string) (*millracev1.GetRunResponse, error) {
	return call(ctx, "GetRun "+runID, c.runs.GetRun, &millracev1.GetRunRequest{RunId: runID}, c.service())
}

// ListRuns lists the runs of a flow, or of all flows when it is empty.
func (c *Client) ListRuns(ctx context.Context, flow string) ([]*millracev1.RunSummary, error) {
	out, err := call(ctx, "ListRuns", c.runs.ListRuns, &millracev1.ListRunsRequest{Flow: flow}, c.service())
	return out.GetRuns(), err
}

// CancelRun stops a run.
func (c *Client) CancelRun(ctx context.Context, runID, reason string) error {
	_, err := call(ctx, "CancelRun "+runID, c.runs.CancelRun, &millracev1.CancelRunRequest{RunId: runID, Reason: reason}, c.service())
	return err
}

// CloseRun says how Kubeflow Pipelines ended the run, which its exit hook may
// not have done.
func (c *Client) CloseRun(ctx context.Context, runID, kfpState, message string) error {
	in := &millracev1.FinishRunRequest{RunId: runID, KfpState: kfpState, Message: message}
	_, err := call(ctx, "FinishRun "+runID, c.runs.FinishRun, in, c.service())
	return err
}

// ListTasks calls fn for every task of the run, in the order of their making.
func (c *Client) ListTasks(ctx context.Context, runID string, fn func(*millracev1.TaskView) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	op := "ListTasks " + runID
	stream, err := c.runs.ListTasks(ctx, &millracev1.ListTasksRequest{RunId: runID}, c.service())
	if err != nil {
		return classify(op, err)
	}
	for {
		out, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return classify(op, err)
		}
		if err := fn(out.GetTask()); err != nil {
			return err
		}
	}
}

// ReportPodGone is proof that every process of the pod has ended.
func (c *Client) ReportPodGone(ctx context.Context, runID, podUID string) error {
	_, err := call(ctx, "ReportPodGone "+podUID, c.leases.ReportPodGone, &millracev1.ReportPodGoneRequest{RunId: runID, PodUid: podUID}, c.service())
	return err
}
