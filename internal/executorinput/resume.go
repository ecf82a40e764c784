package executorinput

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Resume names the run from which this one goes on. Step, when not empty, runs
// again, and all that follows from it.
type Resume struct {
	OriginRun string `json:"origin_run"`
	Step      string `json:"step,omitempty"`
}

// A run's id becomes part of object keys; a step is checked against the flow
// by the driver.
var originRun = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,254}$`)

// String is the resume as the input's text: base64url of JSON, which no
// expansion of KFP's or Kubernetes' changes.
func (r Resume) String() string {
	text, _ := json.Marshal(r) // strings always marshal
	return base64.RawURLEncoding.EncodeToString(text)
}

// unmarshalResume is nil for an empty text: the run is not a resumed one.
func unmarshalResume(raw json.RawMessage) (*Resume, error) {
	var encoded *string
	if err := json.Unmarshal(raw, &encoded); err != nil {
		return nil, err
	}
	if encoded == nil || *encoded == "" || *encoded == DefaultMark {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(*encoded, "="))
	if err != nil {
		return nil, fmt.Errorf("want base64url: %w", err)
	}
	var r Resume
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("want a JSON object: %w", err)
	}
	switch {
	case r.OriginRun == "":
		return nil, errors.New("origin_run: missing")
	case !originRun.MatchString(r.OriginRun):
		return nil, fmt.Errorf("origin_run: want a run's id, as kfp-..., got %.60q", r.OriginRun)
	}
	return &r, nil
}
