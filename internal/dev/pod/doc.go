// Package pod runs containers as local processes. A pod outlives the laptop
// stack: between the two stands a supervisor, a second process of this
// program, that starts the container, kills all it leaves, and writes its
// ending to a file that a restarted stack reads.
//
//	driver dev                 supervisor (own session, subreaper)      container
//	  Start ── spec on stdin ──> waits
//	  record pid + start time
//	  Go ────────────────────────> starts ─────────────────────────────> runs
//	  ...killed, started again                                            |
//	  Adopt(pid, start time)       <──────────────────────── exit ────────┘
//	  <── HOME/pods/<uid>.exit ── kills every descendant, writes, exits
//
// The container starts only after Go, so no container runs that the stack has
// not recorded.
package pod
