package compile

import (
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/buildinfo"
	"github.com/millrace/millrace/internal/flowdef"
)

// Pipeline is a compiled flow.
type Pipeline struct {
	Spec     PipelineSpec
	Platform PlatformSpec
}

// compiler holds what all tasks share while the documents are filled.
type compiler struct {
	def *flowdef.Definition
	cfg *Config
	env []envVar
	// image of the gates, verify and finally
	controlImage string
	out          *Pipeline
}

// Compile makes the pipeline of a flow. The same input gives the same bytes.
// Errors are *flowdef.FieldError, *ConfigError or *UnsupportedError.
func Compile(d *flowdef.Definition, cfg Config) (*Pipeline, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	places, err := d.Frames()
	if err != nil {
		return nil, err
	}
	return build(d, places, &cfg)
}

func build(d *flowdef.Definition, places []flowdef.Placement, cfg *Config) (*Pipeline, error) {
	names := make([]string, len(d.Steps))
	for i := range d.Steps {
		names[i] = d.Steps[i].Name
		if err := refuseAttributes(&d.Steps[i]); err != nil {
			return nil, err
		}
	}
	if err := checkCollisions(names); err != nil {
		return nil, err
	}
	env, err := environment(d, cfg)
	if err != nil {
		return nil, err
	}
	c := &compiler{def: d, cfg: cfg, env: env, out: newPipeline(d)}
	if c.controlImage, err = image(d, cfg, &d.Steps[0]); err != nil {
		return nil, err
	}
	inside := map[string]task{}
	for _, n := range shape(d, places) {
		if err := c.addStep(inside, n); err != nil {
			return nil, err
		}
		if n.gated {
			c.addGate(inside, n)
		}
	}
	c.addRoot(inside)
	return c.out, nil
}

func newPipeline(d *flowdef.Definition) *Pipeline {
	return &Pipeline{
		Spec: PipelineSpec{
			SchemaVersion:  "2.1.0",
			SDKVersion:     "millrace-" + buildinfo.Version,
			PipelineInfo:   pipelineInfo{Name: pipelineName(d.Pipeline)},
			DeploymentSpec: deploymentSpec{Executors: map[string]executor{}},
			Components:     map[string]component{},
		},
		Platform: PlatformSpec{Platforms: map[string]platform{
			"kubernetes": {DeploymentSpec: platformDeployment{Executors: map[string]podConfig{}}},
		}},
	}
}

// addStep adds the task in which a step's tasks run.
func (c *compiler) addStep(inside map[string]task, n *node) error {
	name, s := stepTask(n.step.Name), n.step
	img, err := image(c.def, c.cfg, s)
	if err != nil {
		return err
	}
	pod, err := c.stepPod(n)
	if err != nil {
		return err
	}
	box := c.container(img, "run", "--step", s.Name)
	box.Resources = stepResources(&s.Resources)

	params := map[string]parameter{runInput: {ParameterType: "STRING"}}
	given := map[string]input{runInput: {ComponentInput: runInput}}
	if n.first {
		for name, p := range forwarded(c.def.Parameters) {
			params[name] = p
		}
		for name, in := range forward(c.def.Parameters) {
			given[name] = in
		}
	}
	t := c.task(name, s.Name, n.dependsOn())
	comp := component{ExecutorLabel: executorLabel(name), InputDefinitions: &definitions{params}}
	if n.pool() {
		params[workerInput] = parameter{ParameterType: "NUMBER_INTEGER"}
		params[workersInput] = parameter{ParameterType: "LIST"}
		given[workersInput] = input{TaskOutput: &taskOutput{n.decider.end(), listOutput(s.Name)}}
		t.ParameterIterator = &parameterIterator{Items: itemsSpec{workersInput}, ItemInput: workerInput}
	} else {
		comp.OutputDefinitions = n.lists()
	}
	t.Inputs = &inputs{given}
	inside[name] = t
	c.add(name, comp, box, pod)
	return nil
}

// addGate adds the task that ends when the pool is drained.
func (c *compiler) addGate(inside map[string]task, n *node) {
	name := gateTask(n.step.Name)
	box := c.container(c.controlImage, "gate", "--step", n.step.Name)
	box.Resources = gateResources()
	t := c.task(name, "gate-"+n.step.Name, n.dependsOn())
	t.Inputs = &inputs{map[string]input{runInput: {ComponentInput: runInput}}}
	inside[name] = t
	c.add(name, component{
		ExecutorLabel:     executorLabel(name),
		InputDefinitions:  &definitions{map[string]parameter{runInput: {ParameterType: "STRING"}}},
		OutputDefinitions: n.lists(),
	}, box, c.controlPod())
}

// addRoot adds the sub-DAG, the judge after it and its exit hook.
func (c *compiler) addRoot(inside map[string]task) {
	params := forwarded(c.def.Parameters)
	params[runInput] = parameter{ParameterType: "STRING"}
	c.out.Spec.Components[componentName(flowTask)] = component{
		InputDefinitions: &definitions{params},
		DAG:              &dag{inside},
	}

	// The whole constant is the placeholder: KFP resolves it nowhere else.
	runID := input{RuntimeValue: &runtimeValue{"{{$.pipeline_job_uuid}}"}}
	flow := c.task(flowTask, flowTask, nil)
	flow.RetryPolicy = nil
	flow.Inputs = &inputs{forward(c.def.Parameters)}
	flow.Inputs.Parameters[runInput] = runID

	verify := c.task(verifyTask, verifyTask, []string{flowTask})
	verify.Inputs = &inputs{map[string]input{runInput: runID}}
	c.addControl(verifyTask, "verify", map[string]parameter{runInput: {ParameterType: "STRING"}})

	finally := c.task(finallyTask, finallyTask, []string{flowTask})
	finally.TriggerPolicy = &triggerPolicy{"ALL_UPSTREAM_TASKS_COMPLETED"}
	finally.Inputs = &inputs{map[string]input{runInput: runID, statusInput: {FinalStatus: &producer{flowTask}}}}
	c.addControl(finallyTask, "finish", map[string]parameter{
		runInput:    {ParameterType: "STRING"},
		statusInput: {ParameterType: "TASK_FINAL_STATUS", IsOptional: true},
	})

	c.out.Spec.Root = component{
		InputDefinitions: &definitions{rootParameters(c.def.Parameters)},
		DAG:              &dag{map[string]task{flowTask: flow, verifyTask: verify, finallyTask: finally}},
	}
}

func (c *compiler) addControl(name, verb string, params map[string]parameter) {
	box := c.container(c.controlImage, verb)
	box.Resources = gateResources()
	c.add(name, component{ExecutorLabel: executorLabel(name), InputDefinitions: &definitions{params}}, box, c.controlPod())
}

// add files a component with its container and its pod.
func (c *compiler) add(name string, comp component, box container, pod podConfig) {
	c.out.Spec.Components[componentName(name)] = comp
	c.out.Spec.DeploymentSpec.Executors[executorLabel(name)] = executor{box}
	c.out.Platform.Platforms["kubernetes"].DeploymentSpec.Executors[executorLabel(name)] = pod
}

func (c *compiler) task(name, display string, after []string) task {
	return task{
		ComponentRef: nameRef{componentName(name)}, TaskInfo: nameRef{display},
		DependentTasks: after, RetryPolicy: c.cfg.Retry.policy(),
	}
}

func (r Retry) policy() *retryPolicy {
	return &retryPolicy{
		MaxRetryCount: r.Count, BackoffDuration: seconds(r.Backoff), BackoffFactor: r.Factor,
		BackoffMaxDuration: seconds(r.MaxPause),
	}
}

// seconds is a protobuf Duration; fractions are rounded to milliseconds.
func seconds(d time.Duration) string {
	d = d.Round(time.Millisecond)
	if ms := d.Milliseconds() % 1000; ms != 0 {
		return fmt.Sprintf("%d.%03ds", d/time.Second, ms)
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}
