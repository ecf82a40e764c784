package launcher

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/executorinput"
)

// TestResume: a second run takes over what had succeeded in the first, without
// running it, and runs the rest.
func TestResume(t *testing.T) {
	s := newStack(t, "testdata/resume.py")
	inputs := map[string]any{"folder": s.dir}
	s.want(0, inputs, []string{"workers_work"}, "run", "--step", "start")
	s.want(1, nil, nil, "run", "--step", "work")
	if err := os.WriteFile(filepath.Join(s.dir, "mended"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	s.run = "0b0e4d5a-2222-4222-8333-444455556666"
	inputs["millrace_resume"] = executorinput.Resume{OriginRun: "kfp-" + kfpRun}.String()
	if lists := s.want(0, inputs, []string{"workers_work"}, "run", "--step", "start"); lists["workers_work"] != "[0,1]" {
		t.Errorf("start decides the workers %q", lists["workers_work"])
	}
	for _, step := range []string{"work", "join", "end"} {
		s.want(0, nil, nil, "run", "--step", step)
	}
	s.want(0, nil, nil, "verify")
	ran, err := os.ReadFile(filepath.Join(s.dir, "executions"))
	if want := "start\na\nb\nb\njoin\n"; err != nil || string(ran) != want {
		t.Errorf("executed %q, %v; want %q", ran, err, want)
	}

	got := s.read("ResumeFlow", `print(run.successful, run['end'].task['letters'].data, run.origin_pathspec, run['join'].task['origin'].data)
print(metaflow.Task(run.pathspec + '/_parameters/params')['folder'].data == run['end'].task['folder'].data)
for name in ('_parameters/params', 'start/task', 'work/task-0', 'work/task-1'):
    task = metaflow.Task(run.pathspec + '/' + name)
    print(name, task.origin_pathspec, task.successful, task.finished, task.metadata_dict.get('ds-type'), repr(task.stdout))`)
	origin := "ResumeFlow/kfp-" + kfpRun
	want := []string{
		"True ['a', 'b'] " + origin + " kfp-" + kfpRun,
		"True",
		"_parameters/params " + origin + "/_parameters/params True True local ''",
		"start/task " + origin + "/start/task True True local ''",
		"work/task-0 " + origin + "/work/task-0 True True local ''",
		"work/task-1 None True True local ''",
	}
	if got != strings.Join(want, "\n") {
		t.Errorf("Metaflow's client reads:\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
