// Package compile turns a FlowDefinition into the two documents Kubeflow
// Pipelines runs: a PipelineSpec and a PlatformSpec.
//
//	root                       flow (sub-DAG, flat)
//	┌────────────────────┐     ┌──────────────────────────────────────────────┐
//	│ flow ──> verify    │     │ step-start ──┬──> step-work × workers        │
//	│   └····> finally   │     │   workers_work│                              │
//	│      (exit hook)   │     │              └──> gate-work ──> step-join    │
//	└────────────────────┘     └──────────────────────────────────────────────┘
//
// A step that always has one task is a container task. Every other step is a
// pool: a container task iterated over a list of workers. The list comes from
// the end of the step that decides the number of tasks last (a foreach, a
// gang's split, a switch); a branch that is not taken has an empty list, and
// KFP skips the pool and goes on. Beside a pool inside a foreach or a gang,
// and beside one that decides lists itself, stands a gate: dependants hang on
// it, so that a worker still waiting for a node delays nobody. There are no
// conditions, and nothing depends on the number of splits: it is known only
// when the flow runs. docs/graph.md has a row for every graph.
//
// Server and cluster are strict, so this package emits only what KFP 2.15
// knows, never a text that KFP, Argo or Kubernetes would expand, and refuses
// by name what it cannot carry.
package compile
