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
// A step that is one task wide is a container task. Every other step is a
// pool: a container task iterated over a `workers` list, with a gate beside
// it on which its dependants hang, so that a worker still waiting for a node
// delays nobody. The list comes from the foreach that decides the width, or
// from its gate when the foreach is itself a pool. Nothing here depends on
// the number of splits: it is known only when the flow runs.
//
// Server and cluster are strict, so this package emits only what KFP 2.15
// knows, never a text that KFP, Argo or Kubernetes would expand, and refuses
// by name what it cannot carry.
package compile
