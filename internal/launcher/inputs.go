package launcher

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/tasksocket"
)

// maxInputs bounds what a range may expand to; the driver refuses wider
// fan-outs.
const maxInputs = 1 << 22

// inputs names the tasks that the attempt reads to the socket, which goes ahead
// of the child.
func (a *attempt) inputs() (tasksocket.Inputs, error) {
	in := tasksocket.Inputs{Type: a.flow.Datastore.Type, Root: a.flow.Datastore.Root}
	if a.task.Parameters {
		return in, nil
	}
	paths, err := inputPaths(runID(a.input), a.task.Inputs)
	if err != nil {
		return in, fmt.Errorf("the inputs of %s: %w", a.task.Ref, err)
	}
	if paths == "" {
		return in, nil
	}
	for path := range strings.SplitSeq(paths, ",") {
		in.Tasks = append(in.Tasks, a.flow.Flow+"/"+path)
	}
	return in, nil
}

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
