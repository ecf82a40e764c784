// Package driverclient is the launcher's side of the conversation with the
// driver: one connection, the credentials each call needs, and errors sorted
// into what a launcher does about them.
//
//	Dial ── OpenRun(service token) ──> session token
//	          │
//	          ├─ JoinPool ─ AcquireLease ─ StartAttempt ─ ReportTask | ReleaseLease
//	          │                 └─ OpenSession: renewals and notices, one stream per lease
//	          ├─ AwaitGate                (gate)
//	          ├─ VerifyRun, FinishRun     (verify, finish)
//	          └─ GetRun, ListTasks, ListRuns, CancelRun   (people's commands)
//
// It is the only package of the launcher that knows the wire's types.
//
// A call is tried a few times within seconds (the service config); waiting
// longer for a driver that is down is the caller's decision, who asks
// Retryable.
package driverclient
