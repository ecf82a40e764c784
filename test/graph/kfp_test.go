package graph

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/compile"
	"github.com/millrace/millrace/internal/flowdef"
)

// nodeState is how far KFP is with a task of the pipeline.
type nodeState int

const (
	pending nodeState = iota
	running
	succeeded
	failed
	omitted
)

// node is a task of the pipeline's DAG: a step's pods, or a gate.
type node struct {
	name, step string
	gate       bool
	needs      []*node
	// list is whose output says how many pods there are; nil for one pod.
	list *node
	// outputs are the lists that the task must write, by step.
	outputs []string
	lists   map[string]int
	state   nodeState
	pods    []*pod
}

// The part of KFP's pipeline spec that is played.
type (
	pipelineSpec struct {
		Components     map[string]componentSpec `json:"components"`
		DeploymentSpec struct {
			Executors map[string]struct {
				Container struct {
					Args []string `json:"args"`
				} `json:"container"`
			} `json:"executors"`
		} `json:"deploymentSpec"`
	}
	componentSpec struct {
		ExecutorLabel string `json:"executorLabel"`
		DAG           *struct {
			Tasks map[string]taskSpec `json:"tasks"`
		} `json:"dag"`
		OutputDefinitions struct {
			Parameters map[string]any `json:"parameters"`
		} `json:"outputDefinitions"`
	}
	taskSpec struct {
		ComponentRef struct {
			Name string `json:"name"`
		} `json:"componentRef"`
		DependentTasks []string `json:"dependentTasks"`
		Inputs         struct {
			Parameters map[string]struct {
				TaskOutput *struct {
					ProducerTask string `json:"producerTask"`
					OutputKey    string `json:"outputParameterKey"`
				} `json:"taskOutputParameter"`
			} `json:"parameters"`
		} `json:"inputs"`
		ParameterIterator *struct {
			Items struct {
				InputParameter string `json:"inputParameter"`
			} `json:"items"`
		} `json:"parameterIterator"`
	}
)

const listPrefix = "workers_"

// layOut compiles the flow and reads its pipeline as KFP does.
func layOut(d *flowdef.Definition) ([]*node, error) {
	p, err := compile.Compile(d, compile.Config{
		DefinitionURL: "s3://bucket/root/data/cc/" + strings.Repeat("c", 40), DefinitionSHA256: strings.Repeat("d", 64),
		Launcher: compile.Baked, Driver: "millrace-driver:9090", Image: "python", Retry: compile.DefaultRetry(),
	})
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(p.Spec)
	if err != nil {
		return nil, err
	}
	var spec pipelineSpec
	if err := json.Unmarshal(raw, &spec); err != nil {
		return nil, err
	}
	tasks := spec.Components["comp-flow"].DAG.Tasks
	byName := map[string]*node{}
	for name := range tasks {
		byName[name] = &node{name: name}
	}
	var nodes []*node
	for name, t := range tasks {
		n := byName[name]
		if err := n.read(&spec, t, byName); err != nil {
			return nil, fmt.Errorf("task %s: %w", name, err)
		}
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	return nodes, nil
}

func (n *node) read(spec *pipelineSpec, t taskSpec, byName map[string]*node) error {
	component := spec.Components[t.ComponentRef.Name]
	args := spec.DeploymentSpec.Executors[component.ExecutorLabel].Container.Args
	at := slices.Index(args, "--step")
	if len(args) < 2 || at < 0 {
		return fmt.Errorf("no --step in %q", args)
	}
	n.step, n.gate, n.lists = args[at+1], slices.Contains(args[:at], "gate"), map[string]int{}
	for _, name := range t.DependentTasks {
		if byName[name] == nil {
			return fmt.Errorf("depends on %s, which is not there", name)
		}
		n.needs = append(n.needs, byName[name])
	}
	for key := range component.OutputDefinitions.Parameters {
		n.outputs = append(n.outputs, strings.TrimPrefix(key, listPrefix))
	}
	if t.ParameterIterator == nil {
		return nil
	}
	from := t.Inputs.Parameters[t.ParameterIterator.Items.InputParameter].TaskOutput
	if from == nil || from.OutputKey != listPrefix+n.step || !slices.Contains(t.DependentTasks, from.ProducerTask) {
		return fmt.Errorf("iterates over %+v", from)
	}
	n.list = byName[from.ProducerTask]
	return nil
}

// startReady starts what may start and omits what cannot any more.
func (c *cluster) startReady() {
	for again := true; again; {
		again = false
		for _, n := range c.nodes {
			if n.state != pending {
				continue
			}
			switch worst := worstOf(n.needs); worst {
			case succeeded:
				c.start(n)
				again = true
			case failed, omitted:
				n.state = omitted
				again = true
			case pending, running:
			}
		}
	}
}

func worstOf(nodes []*node) nodeState {
	worst := succeeded
	for _, n := range nodes {
		switch n.state {
		case failed, omitted:
			return failed
		case pending, running:
			worst = running
		case succeeded:
		}
	}
	return worst
}

func (c *cluster) start(n *node) {
	count := 1
	if n.list != nil {
		known := false
		if count, known = n.list.lists[n.step]; !known {
			c.fail("%s starts and %s gave no list for it", n.name, n.list.name)
			return
		}
	}
	n.state, n.pods = running, nil
	for i := range count {
		n.pods = append(n.pods, nil)
		c.makePod(n, i, 0)
	}
	if count == 0 {
		n.state = succeeded // skipped: its dependants run
	}
}

// restarts is the retryPolicy of every executor, smaller than the real one.
const restarts = 3

// podEnded restarts a pod that failed, and ends its node after the last.
func (c *cluster) podEnded(p *pod, good bool) {
	n := p.node
	p.over, p.good = true, good
	if !good && p.retryIndex < restarts {
		c.makePod(n, p.worker, p.retryIndex+1)
		return
	}
	n.state = succeeded
	for _, q := range n.pods {
		switch {
		case !q.over:
			n.state = running
			return
		case !q.good:
			n.state = failed
		}
	}
	if n.state != succeeded {
		return
	}
	for _, step := range n.outputs {
		if _, there := n.lists[step]; !there {
			c.fail("%s ended well without the list of %s", n.name, step)
		}
	}
}

// retry is `:retry`: what succeeded stays, the rest is made anew from index 0.
func (c *cluster) retry() {
	for _, n := range c.nodes {
		switch n.state {
		case omitted:
			n.state = pending
		case failed:
			n.state = running
			for i, p := range n.pods {
				if !p.good {
					c.makePod(n, i, 0)
				}
			}
		case pending, running, succeeded:
		}
	}
}
