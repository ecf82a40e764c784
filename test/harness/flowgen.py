"""Random legal flows, by number: test/flowgen's command."""

import dataclasses
import hashlib
import json
import pathlib
import subprocess
from typing import Any

from .paths import FLOWGEN


@dataclasses.dataclass
class Flow:
    number: int
    script: pathlib.Path
    # plan is what the generator expects of a run.
    plan: dict[str, Any]

    def __str__(self) -> str:
        return f"flow {self.number} ({FLOWGEN.name} -seed {self.plan['seed']})"

    @property
    def digest(self) -> str:
        """What two results must agree in to be of one flow."""
        return hashlib.sha256(self.script.read_bytes()).hexdigest()[:16]


# One number after the other must have something that is rare in flows of a dozen tasks.
FORCED = (
    "several-leaves", "nested", "loop-twice", "loop-first", "gang-retry", "gang-inside", "foreach-in-case", "split-inside", "switch-inside",
    "retry,split", "catch,foreach", "twins",
)
FEWEST_TASKS = 5
MOST_TRIED = 1000


def generate(number: int, folder: pathlib.Path, *, without: str = "") -> Flow:
    """Writes the flow of a number to a folder of its own.

    A switch can pass most of a flow by: of the number's seeds it is the first
    in whose run most steps have tasks.
    """
    out = folder / f"flow{number}"
    forced = ",".join(feature for feature in FORCED[number % len(FORCED)].split(",") if feature not in without.split(","))
    if "retry" in without.split(","):
        forced = forced.removesuffix("-retry")
    for seed in range(number * MOST_TRIED, (number + 1) * MOST_TRIED):
        done = subprocess.run([str(FLOWGEN), "-seed", str(seed), "-out", str(out), "-with", forced, "-without", without],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"no flow of seed {seed}: {done.stderr}"
        flow = Flow(number, out / "flow.py", json.loads((out / "plan.json").read_text()))
        if lively(flow.plan):
            return flow
    raise AssertionError(f"no seed of number {number} has a flow of which most is run")


def lively(plan: dict[str, Any]) -> bool:
    return plan["tasks"] >= FEWEST_TASKS and sum(map(bool, plan["steps"].values())) > 0.7 * len(plan["steps"])
