package kfp

import (
	"fmt"
	"regexp"
	"strconv"
)

// oldest is the first release of KFP with everything the compiler emits.
const oldestMajor, oldestMinor = 2, 15

var release = regexp.MustCompile(`^v?(\d{1,4})\.(\d{1,4})\.`)

// Supported refuses a server that would not understand our pipelines. A
// server whose tag is no release (a development build) is taken on trust.
func (h *Health) Supported() error {
	m := release.FindStringSubmatch(h.TagName)
	if m == nil {
		return nil
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major > oldestMajor || major == oldestMajor && minor >= oldestMinor {
		return nil
	}
	return fmt.Errorf("the server is Kubeflow Pipelines %s, and %d.%d is the oldest that runs these pipelines: upgrade it", h.TagName, oldestMajor, oldestMinor)
}
