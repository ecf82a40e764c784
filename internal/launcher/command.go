package launcher

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/workspace"
)

// invocation is all that a child's command line and environment are made of.
type invocation struct {
	flow *flowdef.Definition
	// step is the task's; the start step for the _parameters task.
	step    *flowdef.Step
	task    *driverclient.Task
	run     string
	attempt int
	// retries is for --max-user-code-retries.
	retries int
	space   *workspace.Workspace
	// codeDir is where Metaflow lies below the working folder.
	codeDir string
	// inputs is the file with the input paths.
	inputs string
	// sdks is the pod's folder for SDKs that the image lacks.
	sdks string
}

// members is the file with the ids of a gang's tasks.
func (i invocation) members() string { return filepath.Join(filepath.Dir(i.inputs), "gang-members") }

// plain is an executable that needs no shell.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./+-]+$`)

// noFlush stands for a function of Metaflow's own start script, which
// bootstrap commands call to upload the log. Ours goes up by itself.
const noFlush = "flush_mflogs() { :; }"

// argv is the whole command line. A shell is put in front only where
// bootstrap commands, or an executable with arguments of its own, ask for one.
func (i invocation) argv() ([]string, error) {
	rest, err := i.arguments()
	if err != nil {
		return nil, err
	}
	executable := i.step.Executable
	if executable == "" {
		executable = "python"
	}
	if len(i.step.Bootstrap) == 0 && plain.MatchString(executable) {
		return append([]string{executable}, rest...), nil
	}
	lines := []string{"set -e"}
	if len(i.step.Bootstrap) > 0 {
		lines = append(append(lines, noFlush), i.step.Bootstrap...)
	}
	lines = append(lines, "exec "+executable+` "$@"`)
	return append([]string{"sh", "-c", strings.Join(lines, "\n"), "sh"}, rest...), nil
}

// arguments are those of the interpreter.
func (i invocation) arguments() ([]string, error) {
	args := []string{
		"-u", i.flow.Script, "--quiet", "--metadata=service", "--environment=local",
		"--datastore=" + i.flow.Datastore.Type, "--datastore-root=" + i.flow.Datastore.Root,
		"--event-logger=nullSidecarLogger", "--monitor=nullSidecarMonitor", "--no-pylint",
	}
	for _, spec := range i.step.With {
		args = append(args, "--with="+spec)
	}
	if !i.task.Parameters {
		// Tells where the flow goes on. Not for `init`, whose record of the
		// graph would name it.
		args = append(args, "--with=millrace_transition")
	}
	// Of options given twice the later one counts, so the flow's own win.
	args = append(args, i.flow.TopOptions...)
	if i.task.Parameters {
		return i.initCommand(args)
	}
	return i.stepCommand(args), nil
}

func (i invocation) initCommand(args []string) ([]string, error) {
	args = append(args, "init", "--run-id="+i.run, "--task-id="+i.task.Ref.TaskID)
	for _, tag := range i.flow.Tags {
		args = append(args, "--tag="+tag)
	}
	values, err := parameterOptions(i.flow.Parameters, i.task.ParametersJSON)
	if err != nil {
		return nil, fmt.Errorf("the run's parameters: %w", err)
	}
	return append(args, values...), nil
}

func (i invocation) stepCommand(args []string) []string {
	args = append(args, "step", i.task.Ref.Step, "--run-id="+i.run, "--task-id="+i.task.Ref.TaskID,
		"--input-paths-filename="+i.inputs,
		"--retry-count="+strconv.Itoa(i.attempt), "--max-user-code-retries="+strconv.Itoa(i.retries))
	if i.task.OriginRun != "" {
		args = append(args, "--clone-run-id="+i.task.OriginRun)
	}
	if g := i.task.Gang; g != nil {
		args = append(args, gangOptions(g)...)
	}
	if i.task.SplitIndex != nil {
		args = append(args, "--split-index="+strconv.FormatInt(*i.task.SplitIndex, 10))
	}
	for _, tag := range i.flow.Tags {
		args = append(args, "--tag="+tag)
	}
	if i.flow.Namespace != "" {
		args = append(args, "--namespace="+i.flow.Namespace)
	}
	return args
}
