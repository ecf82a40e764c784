package interp

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
)

// inputs resolves what a task is given.
func (m *machine) inputs(d *Node, c *component, t *task) (Values, error) {
	declared := m.component(t).InputDefinitions.Parameters
	out := Values{}
	for _, name := range slices.Sorted(maps.Keys(t.Inputs.Parameters)) {
		value, err := m.input(d, c, t.Inputs.Parameters[name])
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		switch {
		case value != nil:
			if err := fits(declared[name].ParameterType, value); err != nil && declared[name].ParameterType != "TASK_FINAL_STATUS" {
				return nil, fmt.Errorf("input %s: %w", name, err)
			}
			out[name] = value
		case !declared[name].IsOptional:
			return nil, fmt.Errorf("input %s: parent DAG does not have the value", name)
		}
	}
	return out, nil
}

func (m *machine) input(d *Node, c *component, in input) (json.RawMessage, error) {
	switch {
	case in.ComponentInput != "":
		if value, ok := d.Inputs[in.ComponentInput]; ok {
			return value, nil
		}
		return c.InputDefinitions.Parameters[in.ComponentInput].DefaultValue, nil
	case in.TaskOutput != nil:
		producer := m.r.Nodes[path.Join(d.Path, in.TaskOutput.ProducerTask)]
		value, ok := producer.Outputs[in.TaskOutput.OutputKey]
		if !ok {
			return nil, fmt.Errorf("task %s has no output %s", in.TaskOutput.ProducerTask, in.TaskOutput.OutputKey)
		}
		return value, nil
	case in.FinalStatus != nil:
		return m.finalStatus(d, in.FinalStatus.ProducerTask), nil
	}
	var text string
	if json.Unmarshal(in.RuntimeValue.Constant, &text) != nil {
		return expandJSON(in.RuntimeValue.Constant), nil
	}
	if value, ok := m.facts().constant(text); ok {
		return json.Marshal(value)
	}
	return expandJSON(in.RuntimeValue.Constant), nil
}

func (m *machine) facts() runFacts {
	return runFacts{ID: m.r.ID, Name: m.r.Name, Workflow: workflowName(m.p.Name, m.r.ID), Created: m.r.Created}
}

func workflowName(pipeline, run string) string { return fmt.Sprintf("%s-%.5s", pipeline, run) }

// finalStatus is what an exit task is told of the task before it.
func (m *machine) finalStatus(d *Node, key string) json.RawMessage {
	status := map[string]any{
		"state": "COMPLETE", "pipelineTaskName": key, "pipelineJobResourceName": workflowName(m.p.Name, m.r.ID), "error": map[string]any{},
	}
	if upstream := m.r.Nodes[path.Join(d.Path, key)]; !upstream.State.good() {
		status["state"] = "FAILED"
		if message := m.firstFailure(upstream.Path); message != "" {
			status["error"] = map[string]any{"message": message}
		}
	}
	raw, _ := json.Marshal(status) // strings only
	return raw
}

// firstFailure is the message of the failed pod below a node that ended first.
func (m *machine) firstFailure(below string) string {
	var first *Node
	for _, n := range m.r.Nodes {
		if n.Kind != KindPod || n.State != Failed && n.State != Errored || !isBelow(n.Path, below) {
			continue
		}
		if first == nil || n.Ended.Before(first.Ended) || n.Ended.Equal(first.Ended) && n.Path < first.Path {
			first = n
		}
	}
	if first == nil {
		return ""
	}
	return first.Path + ": " + first.Message
}

func isBelow(place, folder string) bool {
	return place == folder || folder == "." || len(place) > len(folder) && place[:len(folder)] == folder && place[len(folder)] == '/'
}
