// Package lease keeps one lease alive and says for how long it may be trusted.
//
//	AcquireLease sent ──────────────┬── TTL - margin ──┐
//	                                │                  ▼
//	time ──●──────●──────●──────────┼───────────── trusted until ──────► may run on, may not write
//	       renew  renew  renew (no answer)                               └── orphan grace ──► child killed
//	       sent   sent   sent
//
// The trust window is anchored at the moment the last good renewal was SENT,
// not at the arrival of its answer: the driver counts from the arrival of the
// request, which is later, so a slow answer never stretches a lease. The
// margin covers clocks that run at different rates.
//
// The right to run outlives the right to write. When the driver cannot be
// reached past the window, Writable waits: the child goes on computing and
// what it saves stands in line. Either a renewal succeeds, and the line
// moves, or the driver says the lease is lost, or the orphan grace is over;
// then the context of the keeper ends, its cause says why, and nothing more
// is written.
package lease
