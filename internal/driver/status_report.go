package driver

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/kfp"
)

// statusReport is a run as KFP and as the driver see it. KFPError and
// DriverError say who could not be asked.
type statusReport struct {
	RunID    string `json:"run_id"`
	KFPState string `json:"kfp_state"`
	// State is the driver's: running, succeeded, failed, cancelled; empty when
	// it knows nothing of the run.
	State  string `json:"state"`
	Reason string `json:"reason"`
	Flow   string `json:"flow,omitempty"`
	// Resumes is the run that this one goes on from, ResumeStep the step from
	// which all runs anew.
	Resumes     string       `json:"resumes,omitempty"`
	ResumeStep  string       `json:"resume_step,omitempty"`
	OpenedAt    *time.Time   `json:"opened_at,omitempty"`
	EndedAt     *time.Time   `json:"ended_at,omitempty"`
	Pools       []poolStatus `json:"pools"`
	KFPError    string       `json:"kfp_error,omitempty"`
	DriverError string       `json:"driver_error,omitempty"`

	kfpErr, driverErr error
}

type poolStatus struct {
	Pool            string   `json:"pool"`
	Steps           []string `json:"steps"`
	Tasks           int64    `json:"tasks"`
	Waiting         int64    `json:"waiting"`
	Running         int64    `json:"running"`
	Succeeded       int64    `json:"succeeded"`
	Failed          int64    `json:"failed"`
	WorkersExpected int32    `json:"workers_expected"`
	WorkersJoined   int32    `json:"workers_joined"`
	Drained         bool     `json:"drained"`
	// NotTaken: no branch of a switch led here, nor will one.
	NotTaken     bool       `json:"not_taken"`
	WaitingSince *time.Time `json:"waiting_since,omitempty"`
}

func (r *statusReport) takeKFP(run *kfp.Run) {
	r.KFPState = run.State
	if run.Error != nil && run.Error.Message != "" {
		r.Reason = run.Error.Message
	}
}

func (r *statusReport) takeDriver(known *driverclient.RunView) {
	run := known.GetRun()
	r.State = strings.ToLower(strings.TrimPrefix(run.GetState().String(), "RUN_STATE_"))
	r.Flow, r.Resumes, r.ResumeStep = run.GetFlow(), run.GetResumed().GetOriginRun(), run.GetResumed().GetStep()
	if run.GetReason() != "" {
		r.Reason = run.GetReason()
	}
	if t := run.GetOpenedAt(); t.IsValid() {
		r.OpenedAt = new(t.AsTime())
	}
	if t := run.GetEndedAt(); t.IsValid() {
		r.EndedAt = new(t.AsTime())
	}
	for _, p := range known.GetPools() {
		out := poolStatus{
			Pool: p.GetPool(), Steps: p.GetSteps(), Tasks: p.GetTasks(), Waiting: p.GetWaiting(), Running: p.GetRunning(),
			Succeeded: p.GetSucceeded(), Failed: p.GetFailed(), WorkersExpected: p.GetWorkersExpected(),
			WorkersJoined: p.GetWorkersJoined(), Drained: p.GetDrained(), NotTaken: p.GetDrained() && p.GetTasks() == 0,
		}
		if t := p.GetWaitingSince(); t.IsValid() {
			out.WaitingSince = new(t.AsTime())
		}
		r.Pools = append(r.Pools, out)
	}
}

// silence says what keeps a run waiting: pools with work and too few workers.
func (r *statusReport) silence(now time.Time) []string {
	var out []string
	for _, p := range r.Pools {
		if p.WaitingSince == nil || p.WorkersExpected > 0 && p.WorkersJoined >= p.WorkersExpected {
			continue
		}
		workers := fmt.Sprintf("%d of %d workers of %s started", p.WorkersJoined, p.WorkersExpected, p.Pool)
		if p.WorkersExpected == 0 {
			workers = fmt.Sprintf("%d workers of %s started", p.WorkersJoined, p.Pool)
		}
		out = append(out, workers+" for "+roughly(now.Sub(*p.WaitingSince)))
	}
	return out
}

// write is the report for people: what keeps the run waiting comes first.
func (r *statusReport) write(w io.Writer, now time.Time) error {
	if r.State == "running" {
		for _, line := range r.silence(now) {
			fmt.Fprintln(w, line)
		}
	}
	state, kfpState := r.State, r.KFPState
	if state == "" {
		state = "not known"
	}
	if kfpState == "" {
		kfpState = "not known"
	}
	fmt.Fprintf(w, "run %s: %s; Kubeflow Pipelines: %s\n", r.RunID, state, kfpState)
	if r.Resumes != "" {
		fmt.Fprintln(w, "goes on from", r.Resumes)
	}
	if r.Reason != "" {
		fmt.Fprintln(w, r.Reason)
	}
	if r.KFPError != "" {
		fmt.Fprintln(w, "Kubeflow Pipelines could not be asked:", r.KFPError)
	}
	if r.DriverError != "" {
		fmt.Fprintln(w, "the driver could not be asked:", r.DriverError)
	}
	if len(r.Pools) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\npool\ttasks\twaiting\trunning\tsucceeded\tfailed\tworkers\t")
	for _, p := range r.Pools {
		workers := fmt.Sprintf("%d of %d", p.WorkersJoined, p.WorkersExpected)
		switch {
		case p.NotTaken:
			workers = "not taken"
		case p.WorkersExpected == 0:
			workers = "-"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t\n", p.Pool, p.Tasks, p.Waiting, p.Running, p.Succeeded, p.Failed, workers)
	}
	return table.Flush()
}

// roughly is a duration for people.
func roughly(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	default:
		return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
	}
}
