package interp

import (
	"encoding/json"
	"maps"
	"testing"
)

// step is one container task of a pipeline made for a test.
type step struct {
	name string
	// script is run by sh; $1 is the run, $2 the worker of a pool.
	script string
	after  []string
	// over is the task whose output `list` a pool iterates over.
	over    string
	limit   int
	output  string // the type of the output `list`; its file is $2
	retries int
	cpu     string
	env     map[string]string
	// address: the pod gets its own address as ADDRESS, as gangs do.
	address bool
}

type tree = map[string]any

// pipeline makes a document: the steps inside `flow`, then verify, and
// finally as the exit hook.
func pipeline(t testing.TB, finally string, steps ...step) []byte {
	t.Helper()
	executors, components, inside, pods := tree{}, tree{}, tree{}, tree{}
	add := func(s step, into tree, run tree) tree {
		params, args := tree{"run": tree{"parameterType": "STRING"}}, []string{s.name, "{{$.inputs.parameters['run']}}"}
		given := tree{"run": run}
		task := tree{"componentRef": tree{"name": "comp-" + s.name}, "taskInfo": tree{"name": s.name}, "dependentTasks": s.after, "inputs": tree{"parameters": given}}
		comp := tree{"executorLabel": "exec-" + s.name, "inputDefinitions": tree{"parameters": params}}
		if s.over != "" {
			params["worker"], params["list"] = tree{"parameterType": "NUMBER_INTEGER"}, tree{"parameterType": "LIST"}
			given["list"] = tree{"taskOutputParameter": tree{"producerTask": s.over, "outputParameterKey": "list"}}
			task["parameterIterator"] = tree{"itemInput": "worker", "items": tree{"inputParameter": "list"}}
			task["iteratorPolicy"] = tree{"parallelismLimit": s.limit}
			args = append(args, "{{$.inputs.parameters['worker']}}")
		}
		if s.output != "" {
			comp["outputDefinitions"] = tree{"parameters": tree{"list": tree{"parameterType": s.output}}}
			args = append(args, "{{$.outputs.parameters['list'].output_file}}")
		}
		if s.retries > 0 {
			task["retryPolicy"] = tree{"maxRetryCount": s.retries, "backoffDuration": "1s", "backoffFactor": 1.0, "backoffMaxDuration": "3600s"}
		}
		var env []tree
		for name, value := range s.env {
			env = append(env, tree{"name": name, "value": value})
		}
		executors["exec-"+s.name] = tree{"container": tree{
			"image": "example", "command": []string{"sh", "-c", s.script}, "args": args, "env": env, "resources": tree{"resourceCpuRequest": s.cpu},
		}}
		config := tree{"podMetadata": tree{"annotations": tree{"millrace/python": "/usr/bin/python3"}}}
		if s.address {
			config["fieldPathAsEnv"] = []tree{{"name": "ADDRESS", "fieldPath": podAddress}}
		}
		pods["exec-"+s.name] = config
		components["comp-"+s.name] = comp
		into[s.name] = task
		return task
	}
	for _, s := range steps {
		add(s, inside, tree{"componentInputParameter": "run"})
	}
	uuid := tree{"runtimeValue": tree{"constant": "{{$.pipeline_job_uuid}}"}}
	components["comp-flow"] = tree{"dag": tree{"tasks": inside}, "inputDefinitions": tree{"parameters": tree{"run": tree{"parameterType": "STRING"}}}}
	root := tree{"flow": tree{"componentRef": tree{"name": "comp-flow"}, "taskInfo": tree{"name": "flow"}, "inputs": tree{"parameters": tree{"run": uuid}}}}
	add(step{name: "verify", script: "echo verified", after: []string{"flow"}}, root, uuid)
	hook := add(step{name: "finally", script: finally, after: []string{"flow"}}, root, uuid)
	hook["triggerPolicy"] = tree{"strategy": exitStrategy}
	spec := tree{
		"schemaVersion": "2.1.0", "sdkVersion": "test", "pipelineInfo": tree{"name": "test"},
		"deploymentSpec": tree{"executors": executors}, "components": components, "root": tree{"dag": tree{"tasks": root}},
	}
	platform := tree{"platforms": tree{"kubernetes": tree{"deploymentSpec": tree{"executors": pods}}}}
	return append(append(mustJSON(t, spec), "\n---\n"...), mustJSON(t, platform)...)
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// stateMap is each node's state by its place.
func stateMap(v View) map[string]string {
	out := map[string]string{}
	for _, task := range v.Tasks {
		out[task.ID] = task.State
	}
	return out
}

// wantStates compares those that are named.
func wantStates(t *testing.T, v View, want map[string]string) {
	t.Helper()
	got := stateMap(v)
	for place := range maps.Keys(want) {
		if got[place] != want[place] {
			t.Errorf("%s is %q, want %q", place, got[place], want[place])
		}
	}
}
