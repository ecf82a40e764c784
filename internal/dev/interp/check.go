package interp

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

const (
	exitStrategy = "ALL_UPSTREAM_TASKS_COMPLETED"
	// maxDepth and maxTasks bound what DAGs in DAGs unfold to.
	maxDepth = 10
	maxTasks = 10_000
)

// argoName is what Argo's validation lets through; an underscore is refused.
var argoName = regexp.MustCompile(`^[a-zA-Z0-9][-a-zA-Z0-9]*$`)

var kfpName = regexp.MustCompile(`^[a-z0-9][-a-z0-9]{0,127}$`)

// check refuses what a run would stumble over, and what is not modelled.
func (p *Pipeline) check() error {
	if p.spec.SchemaVersion != "2.1.0" {
		return fmt.Errorf("schemaVersion is %q, not 2.1.0", p.spec.SchemaVersion)
	}
	if !kfpName.MatchString(p.spec.PipelineInfo.Name) {
		return fmt.Errorf("pipelineInfo.name %q is not a name in lower case", p.spec.PipelineInfo.Name)
	}
	if p.spec.Root.DAG == nil {
		return errors.New("root has no dag")
	}
	for _, label := range slices.Sorted(maps.Keys(p.spec.DeploymentSpec.Executors)) {
		if err := p.checkExecutor(label); err != nil {
			return fmt.Errorf("executor %s: %w", label, err)
		}
	}
	left := maxTasks
	return p.checkDAG("root", &p.spec.Root, 0, &left)
}

func (p *Pipeline) checkExecutor(label string) error {
	box := p.spec.DeploymentSpec.Executors[label].Container
	if box == nil || len(box.Command) == 0 {
		return errors.New("it has no container with a command; KFP never uses an image's entrypoint")
	}
	for _, text := range append(slices.Concat(box.Command, box.Args), values(box.Env)...) {
		// Argo substitutes {{name}} and refuses names it does not know.
		rest := placeholder.ReplaceAllString(text, "")
		if i := strings.Index(rest, "{{"); i >= 0 {
			return fmt.Errorf("%.60q: Argo would expand it, which is not modelled", rest[i:])
		}
	}
	for _, field := range p.pods[label].FieldPathAsEnv {
		if _, ok := (podIdentity{}).field(field.FieldPath); !ok {
			return fmt.Errorf("fieldPathAsEnv %s is not modelled", field.FieldPath)
		}
	}
	for _, mount := range p.pods[label].EmptyDirMounts {
		if mount.MountPath != "/dev/shm" {
			return fmt.Errorf("emptyDirMounts at %s is not modelled: a pod here is a process without mounts", mount.MountPath)
		}
	}
	return nil
}

func values(env []envVar) []string {
	var out []string
	for _, e := range env {
		out = append(out, e.Value)
	}
	return out
}

func (p *Pipeline) checkDAG(name string, c *component, depth int, left *int) error {
	if *left -= len(c.DAG.Tasks); depth > maxDepth || *left < 0 {
		return fmt.Errorf("%s: more than %d DAGs in each other, or more than %d tasks", name, maxDepth, maxTasks)
	}
	if len(c.OutputDefinitions.Parameters) > 0 {
		return fmt.Errorf("%s: outputs of a DAG are not modelled", name)
	}
	for _, key := range slices.Sorted(maps.Keys(c.DAG.Tasks)) {
		if err := p.checkTask(c, key, depth, left); err != nil {
			return fmt.Errorf("task %s of %s: %w", key, name, err)
		}
	}
	return checkCycle(c.DAG)
}

func (p *Pipeline) checkTask(parent *component, key string, depth int, left *int) error {
	t := parent.DAG.Tasks[key]
	if t == nil || !argoName.MatchString(key) {
		return errors.New("a name of letters, digits and dashes is all that Argo takes")
	}
	comp, ok := p.spec.Components[t.ComponentRef.Name]
	if !ok {
		return fmt.Errorf("component %q does not exist", t.ComponentRef.Name)
	}
	if (comp.DAG == nil) == (comp.ExecutorLabel == "") {
		return fmt.Errorf("component %s is neither a DAG nor a container, or both", t.ComponentRef.Name)
	}
	if t.CachingOptions.EnableCache {
		return errors.New("cachingOptions.enableCache is not modelled")
	}
	if err := checkTrigger(parent.DAG, t); err != nil {
		return err
	}
	if err := checkIterator(t, &comp); err != nil {
		return err
	}
	if err := p.checkInputs(parent, t, &comp); err != nil {
		return err
	}
	if comp.DAG != nil {
		if t.RetryPolicy != nil {
			return errors.New("retryPolicy of a DAG is not modelled")
		}
		return p.checkDAG(t.ComponentRef.Name, &comp, depth+1, left)
	}
	if _, ok := p.spec.DeploymentSpec.Executors[comp.ExecutorLabel]; !ok {
		return fmt.Errorf("executor %q does not exist", comp.ExecutorLabel)
	}
	return nil
}

func checkTrigger(d *dag, t *task) error {
	switch t.TriggerPolicy.Strategy {
	case "":
	case exitStrategy:
		if len(t.DependentTasks) != 1 {
			return errors.New("an exit task follows exactly one task")
		}
	default:
		return fmt.Errorf("triggerPolicy.strategy %s is not modelled", t.TriggerPolicy.Strategy)
	}
	for _, dep := range t.after() {
		upstream := d.Tasks[dep]
		switch {
		case upstream == nil:
			return fmt.Errorf("it depends on %q, which does not exist", dep)
		case upstream.isExit():
			return fmt.Errorf("it depends on the exit task %s, which KFP does not allow", dep)
		case t.isExit() && upstream.ParameterIterator != nil:
			return fmt.Errorf("KFP ignores the exit task of an iterated task (%s)", dep)
		}
	}
	return nil
}

func checkIterator(t *task, comp *component) error {
	if t.ParameterIterator == nil {
		return nil
	}
	list := comp.InputDefinitions.Parameters[t.ParameterIterator.Items.InputParameter]
	switch {
	case comp.DAG != nil:
		return errors.New("parameterIterator over a DAG is not modelled")
	case list.ParameterType != "LIST":
		return fmt.Errorf("parameterIterator: input %q is no LIST", t.ParameterIterator.Items.InputParameter)
	case comp.InputDefinitions.Parameters[t.ParameterIterator.ItemInput].ParameterType == "":
		return fmt.Errorf("parameterIterator: input %q does not exist", t.ParameterIterator.ItemInput)
	case len(comp.OutputDefinitions.Parameters) > 0:
		return errors.New("outputs of an iterated task cannot be had in KFP")
	}
	return nil
}

func (p *Pipeline) checkInputs(parent *component, t *task, comp *component) error {
	for _, name := range slices.Sorted(maps.Keys(t.Inputs.Parameters)) {
		if _, ok := comp.InputDefinitions.Parameters[name]; !ok {
			return fmt.Errorf("input %s: component %s does not declare it", name, t.ComponentRef.Name)
		}
		if err := p.checkInput(parent, t.Inputs.Parameters[name]); err != nil {
			return fmt.Errorf("input %s: %w", name, err)
		}
	}
	for name, def := range comp.InputDefinitions.Parameters {
		_, given := t.Inputs.Parameters[name]
		item := t.ParameterIterator != nil && t.ParameterIterator.ItemInput == name
		if !given && !item && !def.IsOptional && def.DefaultValue == nil {
			return fmt.Errorf("input %s is required and not given", name)
		}
	}
	return nil
}

func (p *Pipeline) checkInput(parent *component, in input) error {
	switch {
	case in.ComponentInput != "":
		if _, ok := parent.InputDefinitions.Parameters[in.ComponentInput]; !ok {
			return fmt.Errorf("the surrounding DAG has no input %q", in.ComponentInput)
		}
	case in.TaskOutput != nil:
		upstream := parent.DAG.Tasks[in.TaskOutput.ProducerTask]
		if upstream == nil {
			return fmt.Errorf("task %q does not exist", in.TaskOutput.ProducerTask)
		}
		outputs := p.spec.Components[upstream.ComponentRef.Name].OutputDefinitions.Parameters
		if _, ok := outputs[in.TaskOutput.OutputKey]; !ok {
			return fmt.Errorf("task %s has no output %q", in.TaskOutput.ProducerTask, in.TaskOutput.OutputKey)
		}
	case in.RuntimeValue != nil:
		var text string
		if json.Unmarshal(in.RuntimeValue.Constant, &text) == nil && strings.Contains(text, "{{$") && !knownConstant(text) {
			return fmt.Errorf("constant %q is not modelled", text)
		}
	case in.FinalStatus != nil:
		if parent.DAG.Tasks[in.FinalStatus.ProducerTask] == nil {
			return fmt.Errorf("task %q does not exist", in.FinalStatus.ProducerTask)
		}
	default:
		return errors.New("it has no value")
	}
	return nil
}

func checkCycle(d *dag) error {
	done := map[string]int{}
	var visit func(string) error
	visit = func(key string) error {
		switch done[key] {
		case 1:
			return fmt.Errorf("task %s depends on itself", key)
		case 2:
			return nil
		}
		done[key] = 1
		for _, dep := range d.Tasks[key].after() {
			if err := visit(dep); err != nil {
				return err
			}
		}
		done[key] = 2
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(d.Tasks)) {
		if err := visit(key); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) isExit() bool { return t.TriggerPolicy.Strategy == exitStrategy }

// after names the tasks this one waits for: those it depends on, and those
// whose outputs it takes.
func (t *task) after() []string {
	out := slices.Clone(t.DependentTasks)
	for _, in := range t.Inputs.Parameters {
		if in.TaskOutput != nil {
			out = append(out, in.TaskOutput.ProducerTask)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
