// Package tasksocket serves the task's process on a unix socket: every read
// and write of Metaflow's stores, every call of its metadata service, and the
// commit of the attempt go through here. The protocol, shared with the shim in
// python/metaflow_extensions/millrace_runtime, is in docs/task-socket.md.
//
//	child ── frame ──► request ──┬─ read    is_file info size list load
//	                             ├─ save    others ─► data.json ─► millrace.json ─► DONE.lock
//	                             ├─ transition, note
//	                             └─ metadata
//
// The child is the user's code: whatever it sends is checked, and whatever it
// writes is fenced by the lease and by the path of its own attempt.
package tasksocket
