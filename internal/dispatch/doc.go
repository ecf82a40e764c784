// Package dispatch is the durable shell around the pure core: one goroutine
// owns every run, and nobody is answered before what was decided is on disk.
//
//	rpc ──Do──> queue ──> round: take events ─> tick ─> ask the parked again
//	               ^                 │  (core.Step, records gathered)
//	               │                 v
//	            bounded        Append(batch)  ── fails ──> drop the runs, answer
//	                                 │                     ErrUnavailable, reload
//	                                 v                     before their next event
//	                              answers
//
// Time. The core's clock is the shell's (clock.go). While the loop stood
// still (a slow store, a long load) renewals could not be heard, so whatever
// held a lease gets the same grace as after a restart.
//
// Long polls. A launcher or gate told to wait is parked and asked again when
// its run changed or its moment came; after Config.LongPoll it is told to
// wait for good. Parked questions cost the loop nothing in between.
//
// The loop never waits for a client: every answer goes into a buffer made
// for it.
package dispatch
