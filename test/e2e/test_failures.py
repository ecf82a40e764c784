"""Runs that cannot go on, are ended, or never begin: what is said of them, and
how they go on when they can."""

import collections

import pytest
from harness import client
from harness.paths import EXAMPLES, FLOWS
from harness.processes import until

HELD, WRONG = FLOWS / "held.py", FLOWS / "wrong.py"

# how: (the step that fails, words of the driver's reason, words of the task's log)
DECISIONS = {
    "switch": ("start", "exit code 1", "which is not in the available cases: ['work', 'rest']"),
    "foreach": ("split", "exit code 1", "Foreach iterator over items in step split produced zero splits"),
}


@pytest.fixture(scope="module")
def deployed(shared_stacks, request):
    stack = shared_stacks("files", request)
    stack.create(HELD, "--max-workers", "2")
    stack.create(WRONG)
    return stack


def executions(folder) -> collections.Counter:
    return collections.Counter((folder / "executions").read_text().splitlines())


def running(run, step: str) -> set[str]:
    return {t["task"] for t in run.tasks() if t["step"] == step and t["state"] == "running"}


@pytest.mark.parametrize("how", DECISIONS)
def test_decision_nothing_follows_from(deployed, how):
    step, reason, log = DECISIONS[how]
    run = deployed.trigger(WRONG, "--how", how)
    run.wait("FAILED")
    assert "FAILED" in run.kfp_tasks()[step], run.kfp_tasks()
    said = deployed.flow(WRONG, "kubeflow-pipelines", "status", "--run-id", run.id).stdout
    assert f"{step}/task" in said and reason in said, said
    assert log in client.read(run)["steps"][step][0]["logs"][0]["stderr"]


def test_gang_larger_than_the_pool(files):
    script = EXAMPLES / "gang" / "gang.py"
    run = files.run(script, "--size", "3", create=("--max-workers", "2"), expect="FAILED")
    reason = run.status()["reason"]
    assert "raise max-workers to 3" in reason, reason
    assert [a["class"] for a in run.task("start")["attempts"]] == ["final"]


def test_first_failure_is_the_reason(deployed, tmp_path):
    """Of several that fail, and it stays the reason when the run's end is slow to come."""
    run = deployed.trigger(HELD, "--folder", str(tmp_path))
    (tmp_path / "start").touch()
    until("both splits to run", lambda: running(run, "work") == {"task-0", "task-1"})
    for name in "ab":
        (tmp_path / name).write_text("fail")
    run.wait("FAILED")
    ended = {t["task"]: t["attempts"][0] for t in run.tasks() if t["step"] == "work"}
    failed = sorted((a["ended_at"], task) for task, a in ended.items() if a["outcome"] == "failed")
    status = run.status()
    assert f"work/{failed[0][1]}" in status["reason"], (status, ended)


@pytest.mark.parametrize("by", ["kfp", "driver"])
def test_cancelled_and_retried(deployed, tmp_path, by):
    """By KFP's own call or by ours; :retry finishes what was cut off, twice if need be."""
    run = deployed.trigger(HELD, "--folder", str(tmp_path))
    for name in "start", "a":
        (tmp_path / name).touch()
    cut_off = "task-1"
    until("one split to end, the other to run", lambda: succeeded(run, "work") == {"task-0"} and executions(tmp_path)["b"])
    if by == "kfp":
        deployed.kfp("POST", f"/runs/{run.kfp_id}:terminate")
    else:
        deployed.driver("terminate", "--run-id", run.id, "--reason", "enough")
    run.wait("FAILED")
    status = until("the driver to know", lambda: (s := run.status())["state"] == "cancelled" and s)
    assert ("enough" if by == "driver" else "terminated at Kubeflow Pipelines") in status["reason"], status
    assert not running(run, "work")

    (tmp_path / "b").write_text("fail")
    run.retry()
    run.wait("FAILED")
    assert f"work/{cut_off}" in run.status()["reason"], run.story()

    (tmp_path / "b").write_text("")
    run.retry()
    run.wait()
    assert executions(tmp_path) == collections.Counter({"start": 1, "a": 1, "b": 3})
    attempts = run.task("work", cut_off)["attempts"]
    assert [a["outcome"] for a in attempts[1:]] == ["failed", "succeeded"] and attempts[0]["outcome"] in ("cancelled", "lost"), attempts
    assert client.read(run)["successful"]


def succeeded(run, step: str) -> set[str]:
    return {t["task"] for t in run.tasks() if t["step"] == step and t["state"] == "succeeded"}


def test_pool_that_never_starts(own_stack, tmp_path):
    """Another run holds the only place there is."""
    stack = own_stack(slots=1, args=("--start-timeout", "3s"))
    stack.create(HELD)
    run = stack.trigger(HELD, "--folder", str(make(tmp_path / "waits")))
    until("its first step to run", lambda: running(run, "start"))
    holder = stack.trigger(HELD, "--folder", str(make(tmp_path / "holds")))
    (tmp_path / "waits" / "start").touch()
    until("the run to fail", lambda: run.status()["state"] == "failed")
    reason = run.status()["reason"]
    assert "work" in reason and "start" in reason, reason
    stack.driver("terminate", "--run-id", holder.id)
    run.wait("FAILED")
    assert executions(tmp_path / "waits") == collections.Counter({"start": 1})


def make(folder):
    folder.mkdir()
    return folder
