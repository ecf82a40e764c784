package driver

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/driverclient"
)

// taskReport is one task as the driver recorded it.
type taskReport struct {
	Step     string          `json:"step"`
	Task     string          `json:"task"`
	State    string          `json:"state"`
	Attempts []attemptReport `json:"attempts"`
	// Cloned: the task was taken over from the run that this one resumes.
	Cloned bool `json:"cloned"`
	// ContinuedAs is the id under which the task went on.
	ContinuedAs string `json:"continued_as,omitempty"`
}

type attemptReport struct {
	Attempt int32 `json:"attempt"`
	// Outcome: running, lost, succeeded, failed, cancelled.
	Outcome   string     `json:"outcome"`
	Class     string     `json:"class"`
	Reason    string     `json:"reason"`
	ExitCode  *int32     `json:"exit_code"`
	Adopted   bool       `json:"adopted"`
	Worker    string     `json:"worker"`
	StartedAt *time.Time `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// newTasksCommand lists the tasks of a run with their attempts.
func newTasksCommand(e *Env) *cobra.Command {
	var control driverOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "tasks RUN",
		Short: "List the tasks of a run with their attempts",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := runID(args[0]).uuid()
			if err != nil {
				return err
			}
			tasks, err := listTasks(cmd.Context(), &control, runPrefix+id)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(e.Stdout, tasks)
			}
			return writeTasks(e.Stdout, tasks)
		},
	}
	control.declare(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listTasks(ctx context.Context, control *driverOptions, run string) ([]taskReport, error) {
	client, err := control.dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	tasks := []taskReport{}
	err = client.ListTasks(ctx, run, func(t *driverclient.TaskView) error {
		tasks = append(tasks, reportTask(t))
		return nil
	})
	return tasks, err
}

func reportTask(t *driverclient.TaskView) taskReport {
	out := taskReport{
		Step: t.GetTask().GetStep(), Task: t.GetTask().GetTaskId(), State: t.GetState(), Attempts: []attemptReport{},
		Cloned: t.GetCloned(), ContinuedAs: t.GetContinuedAs(),
	}
	for _, a := range t.GetAttempts() {
		r := attemptReport{Attempt: a.GetAttempt(), Outcome: a.GetOutcome(), Adopted: a.GetAdopted(), Worker: a.GetWorker()}
		if f := a.GetFailure(); f != nil {
			r.Class = strings.ToLower(strings.TrimPrefix(f.GetClass().String(), "FAILURE_CLASS_"))
			r.Reason, r.ExitCode = f.GetReason(), f.ExitCode
		}
		if at := a.GetStartedAt(); at.IsValid() {
			r.StartedAt = new(at.AsTime())
		}
		if at := a.GetEndedAt(); at.IsValid() {
			r.EndedAt = new(at.AsTime())
		}
		out.Attempts = append(out.Attempts, r)
	}
	return out
}

// writeTasks is one line per attempt.
func writeTasks(w io.Writer, tasks []taskReport) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "task\tstate\tattempt\toutcome\tworker\ttook\t")
	for _, t := range tasks {
		name, state := t.Step+"/"+t.Task, t.state()
		if len(t.Attempts) == 0 {
			fmt.Fprintf(table, "%s\t%s\t\t\t\t\t\n", name, state)
		}
		for _, a := range t.Attempts {
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", name, state, a.Attempt, a.outcome(), a.Worker, a.took(), oneLine(a.Reason))
			name, state = "", ""
		}
	}
	return table.Flush()
}

func (t taskReport) state() string {
	switch {
	case t.Cloned:
		return t.State + ", cloned"
	case t.ContinuedAs != "":
		return t.State + ", goes on as " + t.ContinuedAs
	}
	return t.State
}

func (a attemptReport) outcome() string {
	out := a.Outcome
	if a.Class != "" {
		out += " (" + a.Class + ")"
	}
	if a.Adopted {
		out += ", adopted"
	}
	return out
}

func (a attemptReport) took() string {
	if a.StartedAt == nil || a.EndedAt == nil {
		return ""
	}
	return roughly(a.EndedAt.Sub(*a.StartedAt))
}

func oneLine(s string) string {
	first, _, more := strings.Cut(s, "\n")
	if more {
		first += " ..."
	}
	return first
}
