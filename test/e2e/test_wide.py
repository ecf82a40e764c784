"""Width costs workers' time, not pods: 120 splits with 4 workers of which 2
never get a place before the splits are done."""

import json

from harness import client
from harness.paths import FLOWS

WIDTH = 120


def test_wide_with_half_the_workers_pending(own_stack):
    stack = own_stack(slots=2).share_bytecode()  # a gate asks for too little to take a slot
    stack.create(FLOWS / "wide.py", "--max-workers", "4")
    run = stack.trigger(FLOWS / "wide.py", "--width", str(WIDTH))
    run.wait(timeout=900)
    splits = [t for t in run.tasks() if t["step"] == "work"]
    assert len(splits) == WIDTH
    workers = {a["worker"] for t in splits for a in t["attempts"]}
    assert len(workers) == 2, workers
    pool = next(p for p in run.status()["pools"] if p["pool"] == "work")
    assert pool["tasks"] == WIDTH and pool["workers_expected"] == 4, pool
    code = "import metaflow, sys; metaflow.namespace(None); print(metaflow.Run(sys.argv[1]).data.squares)"
    squares = client.python(code, client.client_environment(stack), run.pathspec, cwd=stack.folder)
    assert json.loads(squares) == [n * n for n in range(WIDTH)]


def test_pipeline_is_as_large_for_any_width(files):
    """The pipeline does not know the width; neither does its run grow with it."""
    files.create(FLOWS / "wide.py", "--max-workers", "2")
    sizes = {}
    for width in (3, 30):
        run = files.trigger(FLOWS / "wide.py", "--width", str(width))
        run.wait()
        sizes[width] = {name: len(states) for name, states in run.kfp_tasks().items()}
    assert sizes[3] == sizes[30]
