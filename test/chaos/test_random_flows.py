"""Random flows under random kills of all that can die: the driver, the metadata
service, launchers, tasks. What comes out is what Metaflow's own run makes of
the flow undisturbed.

MILLRACE_CHAOS_SEED and MILLRACE_CHAOS_RUNS choose other flows and more of them.
"""

import collections
import concurrent.futures
import contextlib
import os
import random
import re
import threading
import time

import pytest
from harness import client, document, flowgen, oracle, pods
from harness.fleet import started
from harness.paths import FAILPOINT_BIN, ORACLE_KEPT
from harness.processes import mentioning, until
from harness.s3 import free_port
from harness.serve import TERMS, Driver, Keeper, Metadata
from harness.stack import Run, Stack

SEED = int(os.environ.get("MILLRACE_CHAOS_SEED", "20261"))
RUNS = int(os.environ.get("MILLRACE_CHAOS_RUNS", "3"))
AT_ONCE = 3
DEADLINE = 420
# A failure that is drawn by the attempt's number would be another one when a kill has used the number up.
WITHOUT = "retry,catch"
# A killed task is the user's failure. No task is killed more often than this allows.
RETRY = ("--with", "retry:times=3,minutes_between_retries=0")
MOST_OF_ONE_TASK = 2
# So that kills reach the whole flow, however slow the machine is.
MOST_OF_ONE_STEP = 5
MOST_OF_ONE_FLOW = 16


class Arena:
    """A stack whose driver and metadata service are processes of their own, killed now and then and started again."""

    def __init__(self, folder):
        grpc, http = free_port(), free_port()
        self.stack = Stack(folder, slots=40, bin=FAILPOINT_BIN, args=(
            "--roles", "kfp", "--driver", f"127.0.0.1:{grpc}", "--driver-http", f"http://127.0.0.1:{http}", "--pod-proxy")).start()
        self.stack.share_bytecode()
        self.stack.environment |= {"MILLRACE_POD_RETRY_BACKOFF": "200ms", "MILLRACE_POD_RETRIES": "50"}
        metadata = Metadata(self.stack)
        self.services = {"metadata service": Keeper(metadata), "driver": Keeper(Driver(self.stack, grpc, http, *TERMS))}
        for keeper in self.services.values():
            keeper.start()
        self.peace = threading.Lock()
        self.over = threading.Event()
        self.killer = threading.Thread(target=self._kill_services, args=(random.Random(f"{SEED} services"),), daemon=True)
        self.killer.start()

    def _kill_services(self, draw: random.Random) -> None:
        kills: collections.Counter[str] = collections.Counter()
        while not self.over.wait(draw.uniform(1, 4)):
            with self.peace:
                # The one that died least comes first, so that a short run sees both.
                name = min(self.services, key=lambda n: (kills[n], draw.random()))
                kills[name] += 1
                self.services[name].role.kill()

    @contextlib.contextmanager
    def calm(self):
        """Both services answer, and nobody kills them: for what a user types."""
        with self.peace:
            until("the services to answer", lambda: all(keeper.role.alive() for keeper in self.services.values()))
            self.services["metadata service"].role.wait()
            until("the driver to be ready", self.services["driver"].role.ready)
            yield

    def stop(self) -> None:
        self.over.set()
        self.killer.join()
        for keeper in reversed(self.services.values()):
            keeper.stop()
        self.stack.stop()
        until(f"no process left of {self.stack.folder}", lambda: not mentioning(str(self.stack.folder)), timeout=30)


class Story:
    """What was done to one flow."""

    def __init__(self, run: Run, number: int):
        self.run = run
        self.draw = random.Random(f"{SEED} {number}")
        self.did: collections.Counter[str] = collections.Counter()
        self.steps: collections.Counter[str] = collections.Counter()
        self.killed: collections.Counter[tuple[str, str]] = collections.Counter()

    def tell(self) -> None:
        """Kills until enough was done or the run is over."""
        while self.did.total() < MOST_OF_ONE_FLOW and self.run.kfp()["state"] == "RUNNING":
            # What was done least comes first, so that a short run sees all of it.
            what = min(("launcher", "task", "pod failed", "pod vanished"), key=lambda w: (self.did[w], self.draw.random()))
            self.did[what] += self._do(what)
            time.sleep(self.draw.uniform(0.5, 2))

    def _do(self, what: str) -> bool:
        found = [pod for pod in pods.running(self.run) if self.steps[pod.task] < MOST_OF_ONE_STEP]
        self.draw.shuffle(found)
        strike = {"launcher": pods.Pod.kill_launcher, "task": self._kill_task, "pod failed": pods.Pod.fail, "pod vanished": pods.Pod.vanish}[what]
        struck = next((pod for pod in found if strike(pod)), None)
        if struck is not None:
            self.steps[struck.task] += 1
        return struck is not None

    def _kill_task(self, pod: pods.Pod) -> bool:
        child = pod.child()
        if child is None:
            return False
        # A gang fails as a whole, whichever member does.
        task = child.step, re.sub(r"-n\d+$", "", client.goes_on_as(child.task))
        if self.killed[task] >= MOST_OF_ONE_TASK:
            return False
        self.killed[task] += 1
        return pods.kill(child.pid)


def play(arena: Arena, oracle_: oracle.Oracle, reader: client.Reader, flow: flowgen.Flow) -> tuple[collections.Counter[str], int]:
    """Returns what was done to the flow, and how many tasks it has."""
    plain = oracle_.result(flow)
    with arena.calm():
        run = started(arena.stack, flow, top=RETRY)
    story = Story(run, flow.number)
    story.tell()
    run.wait(timeout=DEADLINE)
    with arena.calm():
        result = oracle.essence(reader.read(run.pathspec))
        tasks = run.tasks()
    differences = oracle.differences(result, plain, ignoring=("attempt", "logs", "decorators"))
    assert not differences, f"{flow}, run {run.id}, after {dict(story.did)}:\n" + "\n".join(differences[:40])
    check(tasks)
    return story.did, len(tasks)


def check(tasks: list[dict]) -> None:
    """The last attempt of each task is the one that succeeded."""
    continued = {client.goes_on_as(t["task"]) for t in tasks if client.goes_on_as(t["task"]) != t["task"]}
    for task in tasks:
        if task["task"] not in continued:
            assert task["attempts"][-1]["outcome"] == "succeeded", task
            # _parameters has one number for all its attempts.
            assert task["attempts"][-1]["attempt"] == max(a["attempt"] for a in task["attempts"]), task


@pytest.fixture(scope="module")
def games(tmp_path_factory):
    """All flows are on their way while the first is waited for."""
    folder = tmp_path_factory.mktemp("random")
    plain = oracle.Oracle(folder / "plain", ORACLE_KEPT)
    arena = Arena(folder)
    reader = client.Reader(client.client_environment(arena.stack), folder)
    flows = [flowgen.generate(number, folder, without=WITHOUT) for number in range(SEED, SEED + RUNS)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield [pool.submit(play, arena, plain, reader, flow) for flow in flows], arena
        pool.shutdown(cancel_futures=True)
    reader.close()
    plain.close()
    arena.stop()


@pytest.mark.parametrize("number", range(RUNS))
def test_random_flow(games, number):
    games[0][number].result()


def test_all_was_killed(games):
    """Every kind of kill has struck; with MILLRACE_CHAOS_RECORD the sum goes into docs/proof.md."""
    futures, arena = games
    done = [future.result() for future in futures]
    did = sum((d for d, _ in done), collections.Counter()) + collections.Counter({name: keeper.deaths for name, keeper in arena.services.items()})
    sentence = (f"{len(done)} flows of {sum(n for _, n in done)} tasks, from flow {SEED} on: all succeeded with the artifacts of a plain run, after "
                f"these kills: {', '.join(f'{what} {n}' for what, n in sorted(did.items()))}.")
    print(f"\n{sentence}")
    if "MILLRACE_CHAOS_RECORD" in os.environ:
        document.replace("kills", f"{sentence} {document.circumstances()}.")
    assert set(did) == {"driver", "metadata service", "launcher", "task", "pod failed", "pod vanished"}, did
