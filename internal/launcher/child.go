package launcher

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/internal/supervise"
)

// command is the attempt's child.
func (a *attempt) command() (supervise.Command, error) {
	i := invocation{
		flow: a.flow, step: a.step, task: a.task, run: runID(a.input), attempt: a.number, retries: a.retries,
		space: a.space, codeDir: a.pkg.CodeDir, inputs: filepath.Join(filepath.Dir(a.space.Dir), "input-paths"),
		sdks: filepath.Join(a.folder, "sdks"),
	}
	if g := a.task.Gang; g != nil {
		if err := checkGang(g); err != nil {
			return supervise.Command{}, fmt.Errorf("the command of %s: %w", a.task.Ref, err)
		}
	}
	argv, err := i.argv()
	if err != nil {
		return supervise.Command{}, fmt.Errorf("the command of %s: %w", a.task.Ref, err)
	}
	timeout := time.Duration(0)
	if !a.task.Parameters {
		paths, err := inputPaths(i.run, a.task.Inputs)
		if err != nil {
			return supervise.Command{}, fmt.Errorf("the inputs of %s: %w", a.task.Ref, err)
		}
		if err := os.WriteFile(i.inputs, []byte(paths), 0o600); err != nil {
			return supervise.Command{}, fmt.Errorf("the inputs of %s: %w", a.task.Ref, err)
		}
		if g := a.task.Gang; g != nil {
			if err := os.WriteFile(i.members(), gangMembers(g), 0o600); err != nil {
				return supervise.Command{}, fmt.Errorf("the gang of %s: %w", a.task.Ref, err)
			}
		}
		if s := a.step.TimeoutSeconds; s > 0 {
			timeout = time.Duration(s)*time.Second + timeoutGrace
		}
	}
	return supervise.Command{
		Argv: argv, Dir: a.space.Dir, Env: i.environment(a.environ), Stdout: a.log.Stdout(), Stderr: a.log.Stderr(),
		Grace: a.grace, Drain: drain, Timeout: timeout,
	}, nil
}

// prefix marks the task's lines in the pod's own log.
func (a *attempt) prefix() string {
	name := a.task.Ref.Step
	if place := indexPath(a.task); place != "" {
		name += "/" + place
	}
	if g := a.task.Gang; g != nil {
		name += fmt.Sprintf("/n%d", g.Rank)
	}
	return fmt.Sprintf("[%s #%d] ", name, a.number)
}

// user is whom the task's records name.
func (a *attempt) user() string {
	if user := a.flow.Environment["METAFLOW_USER"]; user != "" {
		return user
	}
	return defaultUser
}
