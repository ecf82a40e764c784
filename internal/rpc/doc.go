// Package rpc is the driver's gRPC edge: the services of proto/millrace/v1
// over a dispatch.Dispatcher. It is where the wire's types end.
//
//	call ─> admitted ─> recovered ─> authorized ─> handler:  check every field
//	        (a stranger   (panic is    (access.go    proto -> event   convert.go
//	         is not read)  Internal)    says what     Dispatcher.Do    durable on return
//	                                    it takes)     answer -> proto
//	                                                  error -> code    errors.go
//
// Credentials. The service token opens a run, and the answer carries a session
// token that is good for that run only. It is derived from the service token
// and the run's id, so nothing is stored and a restart forgets nobody.
package rpc
