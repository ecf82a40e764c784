"""One example for each shape of graph, deployed and run as a user does it: what
a plain run is, task by task."""

import pytest
from harness import client
from harness.paths import EXAMPLES

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
def test_as_a_plain_run(files, tmp_path, what):
    name, arguments, tasks = RUNS[what]
    script = EXAMPLES / name / f"{name}.py"
    run = files.run(script, *arguments, create=("--max-workers", "2"))
    ours = client.read(run)
    client.same(ours, client.plain_run(script, tmp_path / "plain", files, *arguments))
    assert {step: len(found) for step, found in ours["steps"].items()} == {**tasks, "_parameters": 1}
