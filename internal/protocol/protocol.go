// Package protocol numbers the conversation between launcher and driver.
package protocol

// Version is the protocol this build speaks; Oldest the oldest launcher the
// driver still serves. A launcher may be months older than its driver.
const (
	Version = 1
	Oldest  = 1
)
