package driver

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// runPrefix makes a KFP run's uuid Metaflow's run id: it starts with a
// letter, since Python reads some uuids as numbers.
const runPrefix = "kfp-"

var runUUID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// runID is the flag --run-id of the commands about one run.
type runID string

func (r *runID) declare(flags *pflag.FlagSet) {
	flags.StringVar((*string)(r), "run-id", "", "the run: kfp-<uuid>")
}

// uuid is KFP's id of the run.
func (r runID) uuid() (string, error) {
	if r == "" {
		return "", errors.New("--run-id is missing")
	}
	id := strings.TrimPrefix(string(r), runPrefix)
	if !runUUID.MatchString(id) {
		return "", fmt.Errorf("--run-id %q is not kfp-<uuid>", string(r))
	}
	return id, nil
}
