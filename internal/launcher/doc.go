// Package launcher is the program in every pod: it calls the stages of a
// task's life in order (docs/task-life.md) and decides nothing that the driver
// could decide.
//
//	run     worker.go: open the run, join the pool, then one lease after the other
//	          attempt.go    one lease: adopt | clone | package -> workspace -> StartAttempt ...
//	          execute.go    ... -> metadata, log, socket, child -> what was seen
//	          verdict.go    what was seen -> the outcome
//	          report.go     last of log and metadata, then the driver's record
//	gate    gate.go: waits until a pool is drained, outputs its worker lists
//	verify  verify.go: fails unless the driver calls the run complete
//	finish  verify.go: the exit hook
//
// A driver that cannot be reached is waited for (patience.go); exit.go has the
// table of exit codes.
package launcher
