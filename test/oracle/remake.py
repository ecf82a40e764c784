"""Makes the kept results of CI's numbers anew: what Metaflow's own run makes of these flows."""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import flowgen  # noqa: E402
from harness.oracle import Oracle, keep  # noqa: E402
from harness.paths import ORACLE_NUMBERS, ORACLE_RESULTS  # noqa: E402


def main() -> None:
    for old in ORACLE_RESULTS.glob("*.json"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="millrace-oracle-") as name:
        folder = pathlib.Path(name)
        oracle = Oracle(folder / "plain")
        for number in ORACLE_NUMBERS:
            flow = flowgen.generate(number, folder)
            keep(oracle.run(flow), flow, ORACLE_RESULTS)
            print(f"{flow}: {flow.plan['tasks']} tasks, {flow.plan['graph']}")
        oracle.close()


if __name__ == "__main__":
    main()
