package launcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/executorinput"
	"github.com/millrace/millrace/internal/lease"
)

// fakeDriver answers each call from a script: per method a list of answers,
// the last of which is repeated. An answer is an error or the method's result.
type fakeDriver struct {
	script map[string][]any
	// calls are those made, in order.
	calls    []string
	opened   []driverclient.OpenRun
	reported []driverclient.Outcome
}

func next[T any](f *fakeDriver, method string) (T, error) {
	f.calls = append(f.calls, method)
	var zero T
	answers := f.script[method]
	if len(answers) == 0 {
		return zero, nil
	}
	if len(answers) > 1 {
		f.script[method] = answers[1:]
	}
	switch a := answers[0].(type) {
	case error:
		return zero, a
	case T:
		return a, nil
	}
	panic(fmt.Sprintf("%s: no answer of type %T", method, zero))
}

func (f *fakeDriver) OpenRun(_ context.Context, run driverclient.OpenRun) error {
	f.opened = append(f.opened, run)
	_, err := next[struct{}](f, "open")
	return err
}

func (f *fakeDriver) VerifyRun(context.Context) (driverclient.RunState, string, error) {
	state, err := next[driverclient.RunState](f, "verify")
	return state, "as scripted", err
}

func (f *fakeDriver) FinishRun(_ context.Context, kfpState, message string) (driverclient.RunState, error) {
	return next[driverclient.RunState](f, "finish "+kfpState+message)
}

func (f *fakeDriver) JoinPool(_ context.Context, j driverclient.Join) (driverclient.Joined, error) {
	return next[driverclient.Joined](f, "join")
}

func (f *fakeDriver) AcquireLease(_ context.Context, _ string, _ int, prefer string) (driverclient.Answer, error) {
	return next[driverclient.Answer](f, "acquire"+prefer)
}

func (f *fakeDriver) ReleaseLease(context.Context, string, *driverclient.Task, bool, string) error {
	_, err := next[struct{}](f, "release")
	return err
}

func (f *fakeDriver) LeavePool(context.Context, string) error {
	_, err := next[struct{}](f, "leave")
	return err
}

func (f *fakeDriver) AwaitGate(context.Context, string, string, int) (driverclient.Answer, error) {
	return next[driverclient.Answer](f, "gate")
}

func (f *fakeDriver) Session(context.Context, string, *driverclient.Task) (lease.Stream, error) {
	return nil, errors.New("no sessions here")
}

func (f *fakeDriver) StartAttempt(context.Context, string, *driverclient.Task) (driverclient.Attempt, error) {
	return next[driverclient.Attempt](f, "start")
}

func (f *fakeDriver) ReportTask(_ context.Context, _ string, _ *driverclient.Task, o driverclient.Outcome) (driverclient.Reported, error) {
	f.reported = append(f.reported, o)
	return next[driverclient.Reported](f, "report")
}

func refused(class error) error {
	return &driverclient.Error{Op: "call", Class: class, Message: "as scripted"}
}

// newSession is a session with the scripted driver whose pod declares the
// outputs.
func newSession(t *testing.T, script map[string][]any, outputs map[string]string) (*session, *fakeDriver) {
	t.Helper()
	f := &fakeDriver{script: script}
	return &session{
		driver: f, options: &options{definitionSHA256: "d"}, logger: slog.New(slog.DiscardHandler), incarnation: "i",
		input:    &executorinput.Input{Run: "1", Outputs: outputs},
		document: &document{bytes: []byte("{}")},
	}, f
}

func (f *fakeDriver) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(f.calls, want) {
		t.Errorf("calls %q, want %q", f.calls, want)
	}
}
