package launcher

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/failpoint"
)

// workersOutput is the compiler's name of the output that holds a step's
// worker list.
const workersOutput = "workers_"

// writeOutputs writes every declared output (name -> file): KFP fails a task
// that leaves one out, also one that had nothing to do. A list that the driver
// did not name is empty, and KFP skips that step.
func writeOutputs(declared map[string]string, lists []driverclient.WorkerList) error {
	if err := failpoint.Hit(failpoint.LauncherBeforeOutputs); err != nil {
		return fmt.Errorf("write the outputs for KFP: %w", err)
	}
	values := map[string][]int32{}
	for _, l := range lists {
		values[workersOutput+l.Step] = l.Workers
	}
	names := make([]string, 0, len(declared))
	for name := range declared {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		workers := values[name]
		if workers == nil {
			workers = []int32{}
		}
		text, err := json.Marshal(workers)
		if err != nil {
			return fmt.Errorf("write KFP's output %s: %w", name, err)
		}
		if err := writeFile(declared[name], text); err != nil {
			return fmt.Errorf("write KFP's output %s: %w", name, err)
		}
	}
	return nil
}

// writeFile writes the file whole or not at all, with the folders above it.
func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, content, 0o644); err != nil {
		return err
	}
	return os.Rename(part, path)
}
