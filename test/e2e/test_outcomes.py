"""Every way user code can end: class, reason and number of attempts in the
driver's record, complete logs, and the end Metaflow's own runtime reaches."""

import pytest
from harness import client
from harness.paths import FLOWS
from harness.processes import mentioning

# how the step ends -> outcome of the run; class, exit code and reason of each attempt
ENDINGS = {
    "raises": ("FAILED", "user", 1, "", 2),
    "exits 0": ("FAILED", "user", 0, "exit", 2),
    "exits 1": ("FAILED", "user", 1, "", 2),
    "exits 202": ("FAILED", "final", 202, "", 1),
    "killed": ("FAILED", "user", 137, "", 2),
    "unpicklable": ("FAILED", "user", 1, "", 2),
}


@pytest.fixture(scope="module")
def deployed(shared_stacks, request):
    stack = shared_stacks("files", request)
    stack.create(FLOWS / "outcome.py")
    return stack


@pytest.mark.parametrize("how", ENDINGS)
def test_ends_badly(deployed, how):
    state, kind, code, reason, attempts = ENDINGS[how]
    run = deployed.trigger(FLOWS / "outcome.py", "--how", how)
    run.wait(state)
    task = run.task("work")
    assert [a["outcome"] for a in task["attempts"]] == ["failed"] * attempts, task
    for attempt in task["attempts"]:
        assert (attempt["class"], attempt["exit_code"]) == (kind, code), attempt
        assert reason in attempt["reason"] and attempt["reason"], attempt
    assert "FAILED" in run.kfp_tasks()["work"], run.kfp_tasks()

    ours = client.read(run)
    assert not ours["finished"] and not ours["successful"]
    assert "end" not in ours["steps"]
    logs = ours["steps"]["work"][0]["logs"]
    assert len(logs) == attempts
    for number, log in enumerate(logs):
        assert f"before the end of attempt {number}" in log["stdout"]
        assert "also on stderr" in log["stderr"]
    if how == "raises":
        assert "ValueError: as asked" in logs[0]["stderr"]
        assert ours["steps"]["work"][0]["exception"][1].startswith("as asked")


def test_never_ends(files):
    script = FLOWS / "hang.py"
    run = files.run(script, expect="FAILED")
    attempts = run.task("work")["attempts"]
    assert {(a["outcome"], a["class"]) for a in attempts} == {("failed", "user")}
    assert "time" in attempts[0]["reason"]
    assert "waiting for ever" in client.read(run)["steps"]["work"][0]["logs"][0]["stdout"]


def test_leaves_a_daemon(deployed):
    run = deployed.trigger(FLOWS / "outcome.py", "--how", "daemon")
    run.wait()
    assert not [c for c in mentioning(run.kfp_id).values() if "sleep 1000" in c]
    log = client.read(run)["steps"]["work"][0]["logs"][0]
    assert "sleep" in log["stdout"] + log["stderr"], "the task's log does not say what was killed"


def test_next_task_finds_nothing_of_the_one_before(files, tmp_path):
    script = FLOWS / "dirty.py"
    mark = "millrace-dirty-" + tmp_path.name
    run = files.run(script, "--mark", mark, create=("--max-workers", "1"))
    assert len({a["worker"] for t in run.tasks() if t["step"] == "work" for a in t["attempts"]}) == 1
    found = next(t for t in client.read(run)["steps"]["join"])["artifacts"]["found"]["value"]
    assert found == {"list": [{"list": []}] * 3}
    assert not [c for c in mentioning(mark).values() if "while :" in c]
