"""One example for each shape of graph, deployed and run as a user does it: what
a plain run is, task by task."""

import pytest
from harness import client
from harness.paths import EXAMPLES
from harness.plain import without_words_of_gangs

# example: (directory and arguments, tasks of each step that ran)
RUNS = {
    "branches": ("branches", (), {"start": 1, "middle": 1, "spread": 1, "join": 1, "end": 1}),
    "foreach in a foreach": ("grid", (), {"start": 1, "region": 2, "shop": 3, "region_total": 2, "all_regions": 1, "end": 1}),
    "switch": ("route", (), {"start": 1, "at_once": 1, "report": 1, "end": 1}),
    "switch to a foreach": ("route", ("--rows", "1500"), {"start": 1, "in_pieces": 1, "piece": 2, "gather": 1, "report": 1, "end": 1}),
    "recursion in a foreach": ("newton", ("--tolerance", "0.3"), {"start": 1, "improve": 3, "found": 2, "join": 1, "end": 1}),
    "names of start and end": ("named", (), {"prepare": 1, "publish": 1}),
}


@pytest.mark.parametrize("what", RUNS)
def test_as_a_plain_run(files, plain_runs, what):
    name, arguments, tasks = RUNS[what]
    script = EXAMPLES / name / f"{name}.py"
    run = files.run(script, *arguments, create=("--max-workers", "2"))
    ours = client.read(run)
    client.same(ours, plain_runs(script, *arguments))
    assert {step: len(found) for step, found in ours["steps"].items()} == {**tasks, "_parameters": 1}


@pytest.mark.parametrize("size", [1, 3])
def test_gang(files, plain_runs, size):
    script = EXAMPLES / "gang" / "gang.py"
    run = files.run(script, "--size", str(size))
    ours, plain = client.read(run), plain_runs(script, "--size", str(size))
    members = {t["id"]: t for t in ours["steps"]["share"]}
    assert set(members) == {f"task-n{rank}" for rank in range(size)}
    for rank in range(size):
        assert members[f"task-n{rank}"]["logs"][0]["stdout"].startswith(f"member {rank} of {size}: ")
    control = [id for id, t in members.items() if "internal_task_type" in t["metadata"]]
    assert control == ["task-n0"]
    without_words_of_gangs(ours, plain, step="share")
    client.same(ours, plain)
