// Package buildinfo names the build, for --version and the protocol's hello.
package buildinfo

import "runtime/debug"

// Version is the release this tree is.
const Version = "0.1.0"

// String returns "<program> <version> (<revision>)".
func String(program string) string {
	rev := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				rev = s.Value[:12]
			}
		}
	}
	return program + " " + Version + " (" + rev + ")"
}
