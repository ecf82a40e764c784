package driverclient

import millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"

// What people's commands read. They are the wire's own messages under names
// that commands may use without knowing the wire.
type (
	// RunView is a run with its pools.
	RunView = millracev1.GetRunResponse
	// RunSummary is one run of a list.
	RunSummary = millracev1.RunSummary
	// TaskView is a task with its attempts.
	TaskView = millracev1.TaskView
)
