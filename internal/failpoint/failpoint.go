//go:build !failpoints

// Package failpoint names the places where a test build can die, stall or
// fail. In a normal build every call compiles to nothing; with the build tag
// `failpoints` the variables MILLRACE_FAILPOINTS and MILLRACE_FAILPOINT_LOG
// decide (see failpoint_on.go). Names are "<program>/<place>", listed in
// names.go.
package failpoint

// Enabled says whether this is a test build.
const Enabled = false

// Hit does nothing in a normal build.
func Hit(Name) error { return nil }
