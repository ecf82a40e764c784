"""Plays many random flows and writes what came of it into docs/proof.md.

    proof.py --runs 200 --first 1000
"""

import argparse
import collections
import concurrent.futures
import pathlib
import shlex
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import document, fleet  # noqa: E402
from harness.oracle import Oracle  # noqa: E402
from harness.paths import ORACLE_KEPT, ORACLE_RESULTS, PYTHON, ROOT  # noqa: E402
from harness.stack import Stack  # noqa: E402

# What is counted, in the words of the table.
COUNTED = {
    "steps": "steps", "linear": "plain steps", "split-static": "static splits", "split-foreach": "foreach splits", "split-switch": "switches",
    "loop": "loops (a switch that may go to itself)", "split-parallel": "splits into gangs", "join": "joins", "steps not taken": "steps not taken",
    "retry": "steps with @retry", "catch": "steps with @catch", "tasks": "tasks", "iterations": "tasks that are iterations of a loop",
    "failed attempts": "failed attempts before a good one",
}
FAILURES = ROOT / ".cache" / "proof"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=1000, help="the first flow's number")
    parser.add_argument("--at-once", type=int, default=3, help="flows that run at the same time")
    parser.add_argument("--scratch", type=pathlib.Path, default=None, help="a folder for the stack, best one in memory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-proof-", dir=args.scratch) as folder:
        begun = time.monotonic()
        outcomes, failures = play(args, pathlib.Path(folder))
        took = time.monotonic() - begun
    document.replace("flows", report(args, outcomes, failures, took))
    return 1 if failures else 0


def play(args: argparse.Namespace, folder: pathlib.Path) -> tuple[list[fleet.Outcome], dict[int, str]]:
    stack = Stack(folder, slots=40).start()
    played = fleet.Fleet(stack, Oracle(folder / "plain", ORACLE_RESULTS, ORACLE_KEPT), folder, at_once=args.at_once)
    outcomes, failures = [], {}
    futures = {played.start(number): number for number in range(args.first, args.first + args.runs)}
    # A proof that is ended early counts what it has.
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    for future in concurrent.futures.as_completed(futures):
        if ended.is_set():
            break
        number = futures[future]
        try:
            outcome = future.result()
            outcomes.append(outcome)
            if outcome.differences:
                failures[number] = str(outcome)
        except Exception as error:
            failures[number] = f"flow {number}: {type(error).__name__}: {error}"
        if number in failures:
            FAILURES.mkdir(parents=True, exist_ok=True)
            (FAILURES / f"flow{number}.txt").write_text(failures[number])
        print(f"{time.strftime('%H:%M:%S')} {len(outcomes)} of {args.runs} played, flow {number}:", failures.get(number, "no difference")[:2000], flush=True)
    played.close()
    stack.stop()
    return outcomes, failures


def report(args: argparse.Namespace, outcomes: list[fleet.Outcome], failures: dict[int, str], took: float) -> str:
    seen: collections.Counter[str] = collections.Counter()
    flows: collections.Counter[str] = collections.Counter()
    words: collections.Counter[str] = collections.Counter()
    for outcome in outcomes:
        found = fleet.features(outcome)
        seen += found
        flows.update(name for name, n in found.items() if n)
        words.update(outcome.flow.plan["features"])
    command = f"{PYTHON.relative_to(PYTHON.parents[2])} test/oracle/proof.py {shlex.join(sys.argv[1:])}".strip()
    return "\n".join([
        f"`{command}`, {document.circumstances()}, {took / 60:.0f} min.",
        "",
        f"**{len(outcomes)} flows ran to their end; in {len(failures)} something differed from Metaflow's own `run`.**",
        *(["", "What differed:", ""] + [f"- {' '.join(why.split())[:400]}" for why in failures.values()] if failures else []),
        "",
        "| what | how many | in flows |",
        "|---|---:|---:|",
        *(f"| {words_} | {seen[name]} | {flows[name]} |" for name, words_ in COUNTED.items()),
        "",
        "Flows by the generator's features: " + ", ".join(f"{name} {n}" for name, n in sorted(words.items())) + ".",
    ])


if __name__ == "__main__":
    sys.exit(main())
