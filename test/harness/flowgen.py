"""Random legal flows, by seed: test/flowgen's command."""

import dataclasses
import hashlib
import json
import pathlib
import subprocess
from typing import Any

from .paths import FLOWGEN


@dataclasses.dataclass
class Flow:
    seed: int
    script: pathlib.Path
    # plan is what the generator expects of a run.
    plan: dict[str, Any]

    @property
    def digest(self) -> str:
        """What two results must agree in to be of one flow."""
        return hashlib.sha256(self.script.read_bytes()).hexdigest()[:16]


# One seed after the other must have something that is rare in flows of a dozen tasks.
FORCED = (
    "several-leaves", "nested", "loop-twice", "loop-first", "gang", "gang-inside", "foreach-in-case", "split-inside", "switch-inside",
    "retry,split", "catch,foreach", "",
)


def generate(seed: int, folder: pathlib.Path, *, without: str = "") -> Flow:
    """Writes the flow of a seed to a folder of its own."""
    out = folder / f"seed{seed}"
    forced = ",".join(feature for feature in FORCED[seed % len(FORCED)].split(",") if feature not in without.split(","))
    done = subprocess.run([str(FLOWGEN), "-seed", str(seed), "-out", str(out), "-with", forced, "-without", without],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"no flow of seed {seed}: {done.stderr}"
    return Flow(seed, out / "flow.py", json.loads((out / "plan.json").read_text()))
