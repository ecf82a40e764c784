// Package supervise runs a task's process as PID 1 should: a process group of
// its own, a death that follows the launcher's, signals passed on, a grace and
// then a kill, and no descendant left behind.
//
//	start     under the reaper's mutex, from a thread that lives as long as we do
//	run       ctx or Timeout ends it: SIGTERM to the group, after Grace SIGKILL
//	end       whoever still holds its output has Drain to finish it
//	kill      every descendant that is left, until a walk of /proc finds none
//
// On Linux this process becomes a subreaper: what a descendant orphans becomes
// our child, however often it forks or calls setsid, so the walk finds it and
// the reaper takes its status. Elsewhere only the process group is ended.
package supervise
