"""`resume`: a run that failed is finished by another, which takes over what had
succeeded; nothing of that runs again."""

import collections
import json

import pytest
from harness import client
from harness.paths import FLOWS
from harness.processes import until
from harness.stack import Run

SCRIPT, AGAIN = FLOWS / "mended.py", FLOWS / "again.py"

TASKS = """if True:
    import json, sys
    from metaflow import Run, namespace
    namespace(None)
    run = Run(sys.argv[1])
    found = {}
    for step in [run["_parameters"], *run.steps()]:
        for task in step:
            rows = task._metaflow.metadata.get_object("task", "artifact", {}, None, *task.path_components)
            found[step.id + "/" + task.id] = {
                "origin": task.metadata_dict.get("origin-run-id"), "task": task.metadata_dict.get("origin-task-id"),
                "shas": {row["name"]: row["sha"] for row in rows}, "log": task.stdout + task.stderr,
                "parents": [] if step.id == "_parameters" else sorted(p.id for p in task.parent_tasks),
                "successful": task.successful,
            }
    print(json.dumps(found))
"""


def tasks_of(run: Run) -> dict:
    return json.loads(client.python(TASKS, client.client_environment(run.stack), run.pathspec, cwd=run.stack.folder))


def resume(origin: Run, *arguments: str) -> Run:
    run = origin.stack.resume(origin, SCRIPT, *arguments)
    run.wait()
    return run


def executions(folder) -> collections.Counter:
    return collections.Counter((folder / "executions").read_text().splitlines())


@pytest.fixture(scope="module")
def failed(shared_stacks, request, tmp_path_factory):
    """A run of which one split failed when the others had succeeded, mended since."""
    stack, folder = shared_stacks("files", request), tmp_path_factory.mktemp("mended")
    stack.create(SCRIPT, "--max-workers", "2")
    run = stack.trigger(SCRIPT, "--folder", str(folder))
    until("the other splits to succeed", lambda: {t["task"] for t in run.tasks() if t["step"] == "work" and t["state"] == "succeeded"} >= {"task-0", "task-2"})
    (folder / "broken").touch()
    run.wait("FAILED")
    (folder / "mended").touch()
    return run, folder


def test_resume_runs_what_had_not_succeeded(failed):
    origin, folder = failed
    before = executions(folder)
    run = resume(origin)
    ran = executions(folder) - before
    assert ran == collections.Counter({"work 1": 1, "after 0": 1, "after 1": 1, "after 2": 1, "join": 1, "end": 1})
    theirs, ours = tasks_of(origin), tasks_of(run)
    cloned = {"_parameters/params", "start/task", "work/task-0", "work/task-2"}
    for task, what in ours.items():
        if task in cloned:
            assert (what["origin"], what["task"]) == (origin.id, task.rpartition("/")[2]), task
            assert what["shas"] == theirs[task]["shas"] and what["log"] == theirs[task]["log"], task
        else:
            assert (what["origin"], what["task"]) == (origin.id, None), task
    assert all(what["successful"] for task, what in ours.items() if task != "_parameters/params")
    assert ours["join/task"]["parents"] == ["task-0", "task-1", "task-2"]
    assert cloned == {f"{t['step']}/{t['task']}" for t in run.tasks() if t["cloned"]}

    again = resume(run, "--step", "join")
    assert executions(folder) - before - ran == collections.Counter({"join": 1, "end": 1})
    assert {task for task, what in tasks_of(again).items() if what["task"] is None} == {"join/task", "end/task"}


def test_as_metaflows_own_resume(files, tmp_path):
    """A loop that failed in its second iteration, then a gang of which one member failed: the same is executed by both
    runtimes, from run to run. Of a gang that is not whole every member runs again."""
    ours, plain = tmp_path / "ours", tmp_path / "plain"
    for folder in ours, plain:
        folder.mkdir()
    files.create(AGAIN)
    run, own, before = None, None, collections.Counter()
    for mended, step, state, executed in (
        (None, None, "FAILED", ["start", "turn 0", "turn 1"]),
        ("loop", None, "FAILED", ["turn 1", "turn 2", "spread", "member 0", "member 1"]),
        ("gang", None, "SUCCEEDED", ["member 0", "member 1", "join", "end"]),
        (None, "end", "SUCCEEDED", ["end"]),
    ):
        if mended:
            for folder in ours, plain:
                (folder / f"{mended} mended").touch()
        if run is None:
            run, command = files.trigger(AGAIN, "--folder", str(ours)), ["run", "--folder", str(plain)]
        else:
            run = files.resume(run, AGAIN, *(["--step", step] if step else []))
            command = ["resume", *([step] if step else []), "--origin-run-id", own]
        run.wait(state)
        done, own = client.plain(AGAIN, plain, files, *command)
        assert (done.returncode == 0) == (state == "SUCCEEDED"), done.stdout + done.stderr
        assert executions(ours) - before == executions(plain) - before == collections.Counter(executed)
        before = executions(ours)
    assert {t["step"] for t in run.tasks() if not t["cloned"]} == {"end"}
    found = tasks_of(run)
    assert all(what["successful"] for task, what in found.items() if task != "_parameters/params")
    looped_or_gang = {task for task in found if task.startswith(("turn/", "member/"))}
    assert looped_or_gang == {"turn/task-r0", "turn/task-r1", "turn/task-r2", "member/task-n0", "member/task-n1"}
