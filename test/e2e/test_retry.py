"""A task that fails for good, and KFP's :retry after the cause is gone."""

import collections

from harness import client
from harness.paths import FLOWS
from harness.processes import until


def test_failed_step_shows_and_retry_finishes(stack, tmp_path):
    stack.create(FLOWS / "mended.py", "--max-workers", "2")
    run = stack.trigger(FLOWS / "mended.py", "--folder", str(tmp_path))
    # A run that fails ends what still runs, so the siblings succeed first.
    until("the other splits to succeed", lambda: {"task-0", "task-2"} <= succeeded(run, "work"))
    (tmp_path / "broken").touch()
    run.wait("FAILED")
    tasks = run.kfp_tasks()
    assert "FAILED" in tasks["work"], tasks
    assert "SUCCEEDED" in tasks["start"] and "FAILED" not in tasks["start"], tasks
    assert not client.read(run)["finished"]
    status = run.status()
    assert status["kfp_state"] == "FAILED" and "not mended yet" not in status["state"], status
    first = executions(tmp_path)

    (tmp_path / "mended").touch()
    run.retry()
    run.wait()
    assert executions(tmp_path) == collections.Counter({
        "start": 1, "work 0": 1, "work 1": first["work 1"] + 1, "work 2": 1,
        "after 0": 1, "after 1": 1, "after 2": 1, "join": 1, "end": 1,
    })
    ours = client.read(run)
    assert ours["finished"] and ours["successful"]
    assert ours["steps"]["end"][0]["artifacts"]["ns"]["value"] == {"list": [{"int": str(n)} for n in range(3)]}
    attempts = run.task("work", "task-1")["attempts"]
    assert [a["outcome"] for a in attempts] == ["failed"] * (len(attempts) - 1) + ["succeeded"]
    assert "not mended yet" in {t["id"]: t for t in ours["steps"]["work"]}["task-1"]["logs"][0]["stderr"]


def succeeded(run, step):
    return {t["task"] for t in run.tasks() if t["step"] == step and t["state"] == "succeeded"}


def executions(folder):
    return collections.Counter((folder / "executions").read_text().splitlines())


def test_terminate(files):
    """A terminated run stops its tasks; KFP calls it failed, the driver cancelled."""
    files.create(FLOWS / "wide.py")
    run = files.trigger(FLOWS / "wide.py", "--width", "2", "--pause", "1000")
    until("a split to run", lambda: any(t["state"] == "running" for t in run.tasks() if t["step"] == "work"))
    files.driver("terminate", "--run-id", run.id)
    run.wait("FAILED")
    assert run.status()["state"].lower() == "cancelled"
    assert not [t for t in run.tasks() if t["state"] in ("running", "leased")]
