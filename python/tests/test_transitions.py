"""What the shim tells of steps that choose, go round, and fan out; each task's
transition is what Metaflow itself stored."""

import pytest
from deploying import User, write_flow
from tasks import Deployed

BODY = '''
how = Parameter("how", default="well")

@step
def start(self):
    self.rounds = 0
    self.next(self.loop)

@step
def loop(self):
    self.rounds += 1
    self.way = {"nowhere": "to no step", "unset": None}.get(self.how, "round" if self.rounds < 2 else 7)
    if self.how == "unset":
        del self.way
    self.next({"round": self.loop, 7: self.out}, condition="way")

@step
def out(self):
    self.xs = [1, 2, 3] if self.how == "well" else []
    self.next(self.split, foreach="xs")

@step
def split(self):
    self.size = {1: 1, 2: 3}.get(self.input, 0)
    self.next(self.gang, num_parallel=self.size)

@parallel
@step
def gang(self):
    self.next(self.gathered)

@step
def gathered(self, inputs):
    self.next(self.joined)

@step
def joined(self, inputs):
    self.next(self.end)

@step
def end(self):
    pass
'''


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployed")
    (folder / "flow").mkdir()
    return Deployed(User(folder / "user"), write_flow(folder / "flow", BODY, imports="FlowSpec, Parameter, parallel, step"))


@pytest.fixture
def flow(deployed, launcher, tmp_path):
    """Runs steps one after the other and returns what each told."""

    def run(how, *steps, expect=0):
        deployed.init(tmp_path, launcher, "--how", how)
        for i, (step, task, inputs, split) in enumerate(steps):
            last = i == len(steps) - 1
            done = deployed.step(tmp_path, launcher, step, task=task, inputs=inputs, split=split, expect=expect if last else 0)
        return done, [{k: v for k, v in told.items() if k != "attempt"} for told in launcher.transitions]

    return run


START = ("start", "task", "_parameters/p", None)
ROUND = ("loop", "task-r0", "start/task", None)
ROUND_AGAIN = ("loop", "task-r1", "loop/task-r0", None)
OUT = ("out", "task", "loop/task-r1", None)


def told(*steps, splits=0, gang=0, ok=True):
    return {"task_ok": ok, "next": list(steps), "num_splits": splits, "gang_size": gang}


def test_loop_and_foreach(flow):
    done, transitions = flow("well", START, ROUND, ROUND_AGAIN, OUT)
    assert transitions == [told("loop"), told("loop"), told("out"), told("split", splits=3)]


@pytest.mark.parametrize(("split", "size"), [(0, 1), (1, 3), (2, 0)])
def test_gang(flow, split, size):
    """A gang of none has no size: Metaflow takes it for a plain step."""
    _, transitions = flow("well", START, ROUND, ROUND_AGAIN, OUT, ("split", "task-0", "out/task", split))
    assert transitions[-1] == told("gang", gang=size)


def test_foreach_over_nothing(flow):
    done, transitions = flow("empty", START, ROUND, ROUND_AGAIN, OUT, expect=1)
    assert transitions[-1] == told(ok=False)
    assert "Foreach iterator over xs in step out produced zero splits" in done.stderr


@pytest.mark.parametrize(("how", "says"), [("nowhere", "to no step"), ("unset", "self.way")])
def test_value_without_a_case(flow, how, says):
    done, transitions = flow(how, START, ROUND, expect=1)
    assert transitions[-1] == told(ok=False)
    assert says in done.stderr
