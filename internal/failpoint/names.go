package failpoint

// Name is one place. Every name is listed here, so that the kill tests can
// check that each was hit.
type Name string

// The launcher's places, in the order of a task's life.
const (
	LauncherJoined         Name = "launcher/joined"          // after JoinPool was answered
	LauncherLeased         Name = "launcher/leased"          // a task was leased
	LauncherPackageReady   Name = "launcher/package-ready"   // code package extracted
	LauncherWorkspaceReady Name = "launcher/workspace-ready" // working folder made
	LauncherAttemptStarted Name = "launcher/attempt-started" // StartAttempt was answered
	LauncherChildStarted   Name = "launcher/child-started"
	LauncherBeforeData     Name = "launcher/before-data"       // before N.data.json is written
	LauncherBeforeMillrace Name = "launcher/before-transition" // before N.millrace.json
	LauncherBeforeDone     Name = "launcher/before-done"       // before N.DONE.lock
	LauncherAfterDone      Name = "launcher/after-done"
	LauncherChildEnded     Name = "launcher/child-ended"
	LauncherBeforeReport   Name = "launcher/before-report" // logs and metadata flushed
	LauncherReported       Name = "launcher/reported"
	LauncherBeforeOutputs  Name = "launcher/before-outputs" // before KFP outputs are written
	LauncherGateDrained    Name = "launcher/gate-drained"
)

// The driver's places.
const (
	DriverBeforeAppend Name = "driver/before-append"
	DriverAfterAppend  Name = "driver/after-append" // durable, not yet answered
	DriverReplyJoin    Name = "driver/reply-join"
	DriverReplyLease   Name = "driver/reply-lease"
	DriverReplyStart   Name = "driver/reply-start"
	DriverReplyReport  Name = "driver/reply-report"
	DriverReplyRenew   Name = "driver/reply-renew"
	DriverReplyGate    Name = "driver/reply-gate"
	DriverReplyOpen    Name = "driver/reply-open"
	DriverReplyVerify  Name = "driver/reply-verify"
	DriverReplyFinish  Name = "driver/reply-finish"
)

// All returns every name.
func All() []Name {
	return []Name{
		LauncherJoined, LauncherLeased, LauncherPackageReady, LauncherWorkspaceReady, LauncherAttemptStarted,
		LauncherChildStarted, LauncherBeforeData, LauncherBeforeMillrace, LauncherBeforeDone, LauncherAfterDone,
		LauncherChildEnded, LauncherBeforeReport, LauncherReported, LauncherBeforeOutputs, LauncherGateDrained,
		DriverBeforeAppend, DriverAfterAppend, DriverReplyJoin, DriverReplyLease, DriverReplyStart, DriverReplyReport,
		DriverReplyRenew, DriverReplyGate, DriverReplyOpen, DriverReplyVerify, DriverReplyFinish,
	}
}
