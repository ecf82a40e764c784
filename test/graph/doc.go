// Package graph proves the driver against a model: random flows are compiled,
// and their pipelines played by a small KFP whose pods ask the real driver
// for tasks and report what the flow decides.
//
//	flowgen ──> definition ──> compile ──> pipeline ──> KFP here ──> pods here ──> driver
//	   └──> model: tasks, places, inputs, lists <────── compared with ──────────────┘
//
// One thread plays all pods of a run in an order drawn from the seed, so a
// seed that fails does so again. Nothing waits for time: retries have no delay,
// and a pod that dies is known to be dead.
package graph
