"""Random flows, several at once on one stack, each compared with the oracle's."""

import collections
import concurrent.futures
import dataclasses
import json
import pathlib
from typing import Any

from . import client, flowgen, oracle
from .stack import Run, Stack, flow_name


@dataclasses.dataclass
class Outcome:
    """How a flow went on the stack."""

    flow: flowgen.Flow
    run: Run
    result: dict[str, Any]
    differences: list[str]

    def __str__(self) -> str:
        return f"{self.flow}, run {self.run.id}:\n" + "\n".join(self.differences[:40])


class Fleet:
    def __init__(self, stack: Stack, oracle: oracle.Oracle, folder: pathlib.Path, *, at_once: int):
        self.stack, self.oracle, self.folder = stack, oracle, folder
        spare(stack)
        self.reader = client.Reader(client.client_environment(stack), stack.folder)
        self.pool = concurrent.futures.ThreadPoolExecutor(at_once)

    def start(self, number: int) -> concurrent.futures.Future[Outcome]:
        return self.pool.submit(self._play, number)

    def _play(self, number: int) -> Outcome:
        flow = flowgen.generate(number, self.folder)
        plain = self.oracle.result(flow)
        run = started(self.stack, flow)
        run.wait(timeout=300)
        result = oracle.essence(self.reader.read(run.pathspec))
        return Outcome(flow, run, result, oracle.differences(result, plain))

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.reader.close()
        self.oracle.close()


def started(stack: Stack, flow: flowgen.Flow, *, top: tuple[str, ...] = ()) -> Run:
    """A run of the flow, deployed under its number."""
    pipeline = f"flow{flow.number}"
    stack.flow(flow.script, *top, "kubeflow-pipelines", "--name", pipeline, "create")
    report = json.loads(stack.driver("trigger", "--pipeline", pipeline, "--json").stdout)
    return Run(stack, flow_name(flow.script), report["run_id"])


def spare(stack: Stack) -> None:
    """Saves the tasks of the flows that are deployed from here on what short ones spend most of their time on."""
    stack.share_bytecode()
    stack.environment["MILLRACE_LAUNCHER"] = "baked"  # what is fetched by each pod otherwise costs a fifth of a flow's time


def features(outcome: Outcome) -> collections.Counter[str]:
    """What a flow is made of, and what came of it."""
    found: collections.Counter[str] = collections.Counter()
    result = outcome.result
    for name, step in result["graph"]["steps"].items():
        found["steps"] += 1
        found["loop" if step["type"] == "split-switch" and name in step["next"] else step["type"]] += 1
        for decorator in ("retry", "catch"):
            found[decorator] += decorator in step["decorators"]
    tasks = {place: task for place, task in result["tasks"].items() if not place.startswith("_parameters")}
    found["tasks"] = len(tasks)
    found["failed attempts"] = sum(task["attempt"] for task in tasks.values())
    found["iterations"] = sum("(" in place for place in tasks)
    found["steps not taken"] = len(result["graph"]["steps"]) - len({place.partition("[")[0] for place in tasks})
    return found
