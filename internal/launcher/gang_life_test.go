package launcher

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGang: the member that did not fail is told to end, reports and leases
// again, and the second try is a gang whose members reach each other.
func TestGang(t *testing.T) {
	s := newStack(t, "testdata/gang.py")
	lists := s.want(0, nil, []string{"workers_train"}, "run", "--step", "start")
	if lists["workers_train"] != "[0,1]" {
		t.Errorf("start decides the workers %q", lists["workers_train"])
	}
	first, firstLog := s.process(nil, "run", "--step", "train")
	second, secondLog := s.process(map[string]any{"millrace_worker": 1}, "run", "--step", "train")
	if err := first.Wait(); err != nil {
		t.Errorf("%v\n%s", err, firstLog)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("%v\n%s", err, secondLog)
	}
	s.want(0, nil, nil, "run", "--step", "join")
	s.want(0, nil, nil, "run", "--step", "end")
	s.want(0, nil, nil, "verify")
	got := s.read("GangFlow", `print(run['join'].task['said'].data, run['join'].task['heard'].data)
print([(t.id, t.current_attempt, t.index) for t in sorted(run['train'], key=lambda t: t.id)], run['train'].control_task.id)
print(metaflow.Task(run.pathspec + '/train/task-n0')['_control_mapper_tasks'].data)
print('other member' if 'rank 1' in metaflow.Task(run.pathspec + '/train/task-n0', attempt=0).stderr else 'not told')`)
	want := []string{
		"[[2, 0, 'task-n0'], [2, 1, 'task-n0']] ['hello', None]",
		"[('task-n0', 1, 0), ('task-n1', 1, 1)] task-n0",
		"['kfp-" + kfpRun + "/train/task-n0', 'kfp-" + kfpRun + "/train/task-n1']",
		"other member",
	}
	if got != strings.Join(want, "\n") {
		t.Errorf("Metaflow's client reads: %s", got)
	}
}

// TestOutOfMemory: the first such end of a task is nobody's fault; its log says
// what it was.
func TestOutOfMemory(t *testing.T) {
	s := newStack(t, "testdata/memory.py")
	group := newGroup(t, "8332894208", "8589934592")
	if err := os.Remove(filepath.Join(group.folder, "memory.events")); err != nil {
		t.Fatal(err)
	}
	s.env = append(s.env, "MILLRACE_CGROUP="+group.folder)
	s.want(0, nil, nil, "run", "--step", "start")
	got := s.read("MemoryFlow", "print(run['start'].task['attempt'].data, metaflow.Task(run['start'].task.pathspec, attempt=0).stderr)")
	if !strings.HasPrefix(got, "1 ") || !strings.Contains(got, "killed for its memory: 97 % of 8.0 GiB in use") {
		t.Errorf("Metaflow's client reads: %s", got)
	}
}
