// Package interp runs KFP pipelines with processes for pods: exactly the
// pipelines our compiler emits, and none that it would run otherwise than
// Kubeflow Pipelines does. What it does not model it refuses by name.
//
//	Parse ─► Pipeline        the uploaded document, strictly
//	machine                  pure: which nodes are ready, what follows an ending
//	Engine                   the shell: one lock, records in kfp.db, pods
//
// A node is a place in the run: "flow" (a DAG), "flow/step-work" (a pool),
// "flow/step-work/3" (a pod of it), "flow/step-end" (a pod). Its state is
// recorded before and after each process, so a killed stack finds its pods
// again.
package interp
