package launcher

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/driverclient"
)

// maxInputs bounds what a range may expand to; the driver refuses wider
// fan-outs.
const maxInputs = 1 << 22

// inputPaths is the text of Metaflow's --input-paths-filename: the tasks'
// paths without attempts, separated by commas. Ranges are expanded in the
// order of the splits.
func inputPaths(run string, in driverclient.Inputs) (string, error) {
	var out strings.Builder
	add := func(step, task string) {
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		out.WriteString(run + "/" + step + "/" + task)
	}
	for _, t := range in.List {
		add(t.Step, t.TaskID)
	}
	next := int64(0)
	for _, r := range in.Ranges {
		if r.First != next || r.Last < r.First || r.Last >= maxInputs {
			return "", fmt.Errorf("inputs from %s: splits %d to %d do not follow split %d", r.Step, r.First, r.Last, next-1)
		}
		for i := r.First; i <= r.Last; i++ {
			add(r.Step, r.Prefix+"-"+strconv.FormatInt(i, 10)+r.Suffix)
		}
		next = r.Last + 1
	}
	if len(in.Ranges) > 0 && next != in.Count {
		return "", fmt.Errorf("inputs: %d of %d splits are named", next, in.Count)
	}
	return out.String(), nil
}
