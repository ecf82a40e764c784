"""A gang of which one member fails, with attempts left."""

import collections

from harness import client
from harness.paths import FLOWS


def test_whole_gang_runs_again(files, tmp_path):
    files.create(FLOWS / "ring.py")
    run = files.trigger(FLOWS / "ring.py", "--folder", str(tmp_path))
    run.wait()
    executions = (tmp_path / "executions").read_text().splitlines()
    assert collections.Counter(executions) == collections.Counter(f"{rank} {attempt}" for rank in range(3) for attempt in range(2))
    for rank, outcome in enumerate(["cancelled", "failed", "cancelled"]):
        attempts = run.task("member", f"task-n{rank}")["attempts"]
        assert [a["outcome"] for a in attempts] == [outcome, "succeeded"]
    ours = client.read(run)
    assert ours["finished"] and ours["successful"]
    ranks = ours["steps"]["end"][0]["artifacts"]["ranks"]["value"]
    assert ranks == {"list": [{"int": str(rank)} for rank in range(3)]}
