package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/executorinput"
)

// The root's tasks, ours and therefore bare; a user's step of the same name
// is step-flow, step-verify, step-finally.
const (
	flowTask    = "flow"
	verifyTask  = "verify"
	finallyTask = "finally"
)

// The inputs of our containers. A parameter of the flow has none of these
// names: they begin with millrace_, which is refused.
const (
	runInput     = executorinput.RunInput
	workerInput  = executorinput.WorkerInput
	workersInput = executorinput.WorkersInput
	statusInput  = executorinput.StatusInput
	exactInput   = executorinput.ExactInput
	resumeInput  = executorinput.ResumeInput
)

// maxMangled keeps Argo's template names, which hold the task's name twice,
// below its limit of 128.
const maxMangled = 48

// mangle makes the part of a task's name that stands for a step: Argo allows
// letters, digits and dashes. A name that does not survive gets a digest.
func mangle(step string) string {
	lost := false
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		case r == '_':
			return '-'
		}
		lost = true
		return -1
	}, step)
	if !lost && len(out) <= maxMangled {
		return out
	}
	sum := sha256.Sum256([]byte(step))
	return out[:min(len(out), maxMangled-9)] + "-" + hex.EncodeToString(sum[:4])
}

// stepTask and gateTask name the KFP tasks of a step.
func stepTask(step string) string { return "step-" + mangle(step) }
func gateTask(step string) string { return "gate-" + mangle(step) }

// componentName and executorLabel name what stands behind a task.
func componentName(task string) string { return "comp-" + task }
func executorLabel(task string) string { return "exec-" + task }

// listOutput is the output that holds a step's worker list.
func listOutput(step string) string { return "workers_" + step }

// pipelineName makes a name KFP and Kubernetes take: it begins the names of
// the workflow and its pods.
func pipelineName(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	out := b.String()
	if len(out) > maxMangled {
		sum := sha256.Sum256([]byte(name))
		out = strings.TrimRight(out[:maxMangled-9], "-") + "-" + hex.EncodeToString(sum[:4])
	}
	if out = strings.Trim(out, "-"); out == "" {
		sum := sha256.Sum256([]byte(name))
		return "flow-" + hex.EncodeToString(sum[:4])
	}
	return out
}

// checkCollisions refuses two steps whose tasks would be one.
func checkCollisions(steps []string) error {
	seen := map[string]string{}
	for _, step := range steps {
		name := mangle(step)
		if other, twice := seen[name]; twice {
			return &UnsupportedError{Step: step, Feature: fmt.Sprintf("its name: KFP would call it %q, like the step %q", name, other), Hint: "rename one of them"}
		}
		seen[name] = step
	}
	return nil
}
