// Package metadataservice speaks the REST API of Metaflow's metadata service
// (version 2.5.1 of its contract) on one SQLite file, for the laptop stack.
// Routes, status codes and row shapes follow services/metadata_service/api of
// the metaflow-service project: a missing object is 404 `{}`, a second create
// 409, ts_epoch is the server's clock in milliseconds, last_heartbeat_ts is in
// seconds, child rows carry their run's tags.
//
//	flow ── run ── step ── task ──┬── metadata (newest first)
//	                              └── artifact (per attempt)
//
// Ids that the client names are kept as text; a run or task posted without an
// id gets the next number. Authentication is the caller's: wrap the handler.
package metadataservice

// Version is what the service says it is, in the METADATA_SERVICE_VERSION
// header of every reply. Metaflow's client gates features on it.
const Version = "2.5.1"
