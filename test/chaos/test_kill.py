"""Seeded kills of everything that can be killed, over a foreach of 30.

Every run must end by itself with the artifacts of an undisturbed one, and of
every task at most one attempt may be recorded successful: the highest started.
MILLRACE_CHAOS_SEED chooses another story.
"""

import collections
import json
import os
import pathlib
import random
import time

import pytest
from harness import client, failpoints, pods
from harness.paths import FAILPOINT_BIN, FLOWS
from harness.processes import mentioning, until
from harness.s3 import free_port
from harness.serve import TERMS, Driver, Keeper
from harness.stack import Run, Stack

SEED = int(os.environ.get("MILLRACE_CHAOS_SEED", "20261"))
WIDTH, WORKERS, PAUSE = 30, 4, 0.3
FLOW, RESUMED = FLOWS / "wide.py", FLOWS / "again.py"
DEADLINE = 420

# How often a run of 30 passes a place at least; places not named are passed once per task.
PASSED = {
    "launcher/joined": 6, "launcher/package-ready": 6, "launcher/before-outputs": 1, "launcher/gate-drained": 1,
    "driver/reply-join": 6, "driver/reply-gate": 1, "driver/reply-open": 6, "driver/reply-verify": 1, "driver/reply-finish": 1,
    "driver/reply-renew": 5,
}

# The places of a launcher that takes a task over from another run.
TAKING_OVER = ("leased", "attempt-started", "before-data", "before-transition", "before-done", "after-done", "before-report", "reported")


class Arena:
    """A driver of its own process that is restarted whenever it dies, and a laptop stack without one."""

    def __init__(self, stack: Stack, driver: Driver, log: failpoints.Log):
        self.stack, self.driver, self.log = stack, driver, log
        self.keeper = Keeper(driver)

    def start(self):
        self.keeper.start()

    def stop(self):
        self.keeper.stop()

    def deploy(self, script: pathlib.Path, rules: list[str] = ()) -> None:
        self.stack.share_bytecode(failpoints.pod_environment(list(rules), self.log.path, SEED))
        self.stack.environment |= {"MILLRACE_POD_RETRY_BACKOFF": "200ms", "MILLRACE_POD_RETRIES": "50"}
        self.stack.create(script, "--max-workers", str(WORKERS))

    def run(self, rules: list[str] = ()) -> Run:
        self.deploy(FLOW, rules)
        return self.stack.trigger(FLOW, "--width", str(WIDTH), "--pause", str(PAUSE))


@pytest.fixture
def arena(tmp_path, request):
    made: list[Arena] = []

    def make(driver_rules: list[str] = (), **options) -> Arena:
        folder = tmp_path / f"arena{len(made)}"
        folder.mkdir()
        grpc, http = free_port(), free_port()
        log = failpoints.Log(folder / "failpoints.log")
        args = ("--roles", "kfp,metadata", "--driver", f"127.0.0.1:{grpc}", "--driver-http", f"http://127.0.0.1:{http}", "--pod-proxy",
                *options.pop("args", ()))
        stack = Stack(folder, slots=WORKERS + 2, bin=FAILPOINT_BIN, args=args, **options).start()
        driver = Driver(stack, grpc, http, *TERMS, environment={
            "MILLRACE_FAILPOINTS": ",".join(driver_rules), "MILLRACE_FAILPOINT_LOG": str(log.path), "MILLRACE_FAILPOINT_SEED": str(SEED)})
        made.append(Arena(stack, driver, log))
        made[-1].start()
        return made[-1]

    yield make
    for arena in made:
        arena.stop()
        arena.stack.stop()
        until(f"no process left of {arena.stack.folder}", lambda arena=arena: not mentioning(str(arena.stack.folder)), timeout=30)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The artifacts of a plain run, by place."""
    folder = tmp_path_factory.mktemp("plain")
    stack = Stack(folder)
    return artifacts(client.plain_run(FLOW, folder / "plain", stack, "--width", str(WIDTH), "--pause", str(PAUSE)))


def artifacts(dump) -> dict:
    return {place: task["shas"] for tasks in client.normal(dump)["steps"].values() for place, task in tasks.items()}


def check(run: Run, undisturbed: dict) -> None:
    dump = client.read(run)
    assert dump["finished"] and dump["successful"]
    assert artifacts(dump) == undisturbed
    for task in run.tasks():
        attempts = task["attempts"]
        good = [a["attempt"] for a in attempts if a["outcome"] == "succeeded"]
        assert len(good) == 1, task
        assert good[0] == max(a["attempt"] for a in attempts), task
        folder = run.stack.home / "datastore" / ".metaflow" / run.flow / run.id / task["step"] / task["task"]
        begun = [int(f.name.split(".")[0]) for f in folder.glob("*.attempt.json")]
        assert max(begun) == good[0], (task, begun)


def each_once(program: str, action: str, random: random.Random) -> list[str]:
    """Rules by which every place of a program acts once in the run, at a hit drawn from the seed."""
    return [f"{name}={action}^{random.randint(1, PASSED.get(name, WIDTH - 5))}" for name in failpoints.names(program)]


def report(arena: Arena, wanted: dict[str, str]) -> None:
    """Prints how often each place was hit and acted; fails for one that did not."""
    hits, actions = arena.log.hits(), arena.log.actions()
    for name in failpoints.names("launcher") + failpoints.names("driver"):
        acted = ", ".join(f"{action} {n}" for (n_, action), n in actions.items() if n_ == name)
        print(f"  {name:28} {hits[name]:5} hits  {acted}")
    missing = [name for name, action in wanted.items() if not actions[name, action]]
    assert not missing, f"never acted: {missing}"


@pytest.mark.parametrize("action", ["kill", "error", "stall:5s"])
def test_every_place(arena, undisturbed, action):
    """Every named place of launcher and driver dies (fails, stalls beyond its lease) once."""
    draw = random.Random(f"{SEED} {action}")
    rules = {program: each_once(program, action, draw) for program in ("launcher", "driver")}
    a = arena(rules["driver"])
    run = a.run(rules["launcher"])
    run.wait(timeout=DEADLINE)
    print(f"\n{action} at every place, seed {SEED}; the driver died {a.keeper.deaths} times")
    until("the exit hook to have run", lambda: "driver/reply-finish" in a.log.hits())
    report(a, {name: action for names in rules.values() for name in (rule.split("=")[0] for rule in names)})
    check(run, undisturbed)


def test_every_place_of_a_resume(arena, tmp_path):
    """Launchers die at every place where a task is taken over, a gang's and a loop's as well: none of them runs, and the
    run is what the one before was."""
    draw = random.Random(f"{SEED} resume")
    a = arena()
    for mended in ("loop", "gang"):
        (tmp_path / f"{mended} mended").touch()
    a.deploy(RESUMED)
    origin = a.stack.trigger(RESUMED, "--folder", str(tmp_path))
    origin.wait(timeout=DEADLINE)
    before = (tmp_path / "executions").read_text()
    taken_over = len(origin.tasks()) - 1  # all but the end
    a.log.path.unlink()
    a.deploy(RESUMED, [f"launcher/{place}=kill^{draw.randint(1, taken_over)}" for place in TAKING_OVER])
    run = a.stack.resume(origin, RESUMED, "--step", "end")
    run.wait(timeout=DEADLINE)
    died = a.log.actions()
    print(f"\nresumed, seed {SEED}: {dict(died)}")
    assert set(died) == {(f"launcher/{place}", "kill") for place in TAKING_OVER}
    assert (tmp_path / "executions").read_text() == before + "end\n"
    assert [t["step"] for t in run.tasks() if not t["cloned"]] == ["end"]
    check(run, artifacts(client.read(origin)))


def test_kills_from_outside(arena, undisturbed):
    """Launchers and driver get SIGKILL; pods fail and vanish."""
    draw = random.Random(f"{SEED} outside")
    a = arena()
    run = a.run()
    did: collections.Counter[str] = collections.Counter()
    until("a split to succeed", lambda: succeeded(run) >= 1)
    while succeeded(run) < WIDTH - 3 and run.kfp()["state"] == "RUNNING":
        if worn(run):
            time.sleep(0.3)
            continue
        # What was done least comes first, so that a short run sees all of it.
        what = min(["kill launcher", "kill driver", "fail pod", "vanish pod"], key=lambda w: (did[w], draw.random()))
        did[what] += disturb(a, run, what, draw)
        time.sleep(draw.uniform(0.3, 1.5) if len(+did) == 4 else 0.1)
    run.wait(timeout=DEADLINE)
    print(f"\nfrom outside, seed {SEED}: {dict(did)}")
    check(run, undisturbed)
    assert len(+did) == 4, did


def test_cut_off_pod_lives_on(arena, undisturbed):
    """A pod vanishes and is made anew while its old process lives on, cut off from the driver: it may write nothing more."""
    a = arena()
    run = a.run()
    until("a split to succeed", lambda: succeeded(run) >= 1)
    old = until("a worker to run", lambda: pods.running(run, "work"))[0]
    launcher = until("its launcher to run", old.launcher)
    assert old.cut() and old.vanish(leave_process=True)
    until("the pod to be made anew", lambda: any(p.name == old.name and p.uid != old.uid for p in pods.running(run, "work")))
    assert alive(launcher), "the old process should live on"
    run.wait(timeout=DEADLINE)
    check(run, undisturbed)


def test_vanished_for_good(arena, undisturbed):
    """Where a vanished pod is not made anew the run fails, and :retry finishes it."""
    a = arena(args=("--vanish", "error"))
    run = a.run()
    until("a split to succeed", lambda: succeeded(run) >= 1)
    until("a worker to run", lambda: pods.running(run, "work"))[0].vanish()
    run.wait("FAILED", timeout=DEADLINE)
    done = {(t["step"], t["task"]): t["attempts"] for t in run.tasks() if t["state"] == "succeeded"}
    run.retry()
    run.wait(timeout=DEADLINE)
    check(run, undisturbed)
    now = {(t["step"], t["task"]): t["attempts"] for t in run.tasks()}
    assert {task: now[task] for task in done} == done, "what had succeeded ran again"


def disturb(a: Arena, run: Run, what: str, draw: random.Random) -> bool:
    if what == "kill driver":
        a.driver.kill()
        return True
    candidates = pods.running(run, "work")
    if not candidates:
        return False
    pod = draw.choice(candidates)
    return {"kill launcher": pod.kill_launcher, "fail pod": pod.fail, "vanish pod": pod.vanish}[what]()


def splits(run: Run) -> list[dict]:
    done = run.stack.driver("tasks", run.id, "--json", check=False)
    if done.returncode != 0:
        return []  # the driver was killed just now
    return [t for t in json.loads(done.stdout) if t["step"] == "work"]


def succeeded(run: Run) -> int:
    return len([t for t in splits(run) if t["state"] == "succeeded"])


def worn(run: Run) -> bool:
    """Whether a split has few of Metaflow's six attempts left: on a slow machine kills come faster than tasks end."""
    return any(t["state"] != "succeeded" and len(t["attempts"]) >= 4 for t in splits(run))


def alive(pid: int) -> bool:
    return pathlib.Path(f"/proc/{pid}").exists()
