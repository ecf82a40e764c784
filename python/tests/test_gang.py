"""The members of a gang (num_parallel), started as the launcher starts them."""

import json
import pickle

import pytest
from deploying import User, write_flow
from tasks import RUN, Deployed

MAIN = "fd00::7"

BODY = '''
size = Parameter("size", type=int, default=3)

@step
def start(self):
    self.groups = ["a", "b"]
    self.next(self.fan, foreach="groups")

@step
def fan(self):
    self.group = self.input
    self.next(self.train, num_parallel=self.size)

@decorated
@parallel
@step
def train(self):
    p = current.parallel
    self.seen = [p.main_ip, p.num_nodes, p.node_index, p.control_task_id, current.is_parallel, self.group, self.index]
    self.next(self.gather)

@step
def gather(self, inputs):
    self.seen = [one.seen for one in inputs]
    self.next(self.join)

@step
def join(self, inputs):
    self.next(self.end)

@step
def end(self):
    pass
'''


# As @metaflow_ray does: only the first member runs the user's code.
IDLE = '''from metaflow.plugins.parallel_decorator import ParallelDecorator

decorate = ParallelDecorator.task_decorate
ParallelDecorator.task_decorate = lambda self, step_func, flow, graph, retry_count, retries, context: (
    decorate(self, step_func, flow, graph, retry_count, retries, context) if context == "ubf_control" else (lambda: None)
)


def decorated(f):
    return f


'''


@pytest.fixture(scope="module")
def deployed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "flow").mkdir()
    decorated = {"plain": "def decorated(f):\n    return f\n\n\n", "kubernetes": "decorated = kubernetes(cpu=1)\n\n\n", "idle": IDLE}[request.param]
    script = write_flow(
        folder / "flow", BODY, name="GangFlow", imports="FlowSpec, Parameter, current, kubernetes, parallel, step", before=decorated
    )
    return Deployed(User(folder / "user"), script)


def artifact(launcher, task, name):
    data = json.loads(launcher.read("GangFlow/%s/%s/0.data.json" % (RUN, task)))
    key = data["objects"][name]
    return pickle.loads(launcher.read("GangFlow/data/%s/%s" % (key[:2], key)))


def environment(tmp_path, rank, size):
    members = tmp_path / "gang-members"
    members.write_text("".join("task-0-n%d\n" % i for i in range(size)))
    role = {"MF_CONTROL_INDEX": "0", "MILLRACE_GANG_MEMBERS": str(members)} if rank == 0 else {"MF_WORKER_REPLICA_INDEX": str(rank - 1)}
    return {
        "METAFLOW_RUNTIME_ENVIRONMENT": "kubernetes", "UBF_CONTEXT": "ubf_control" if rank == 0 else "ubf_task",
        "MF_PARALLEL_MAIN_IP": MAIN, "MF_PARALLEL_NUM_NODES": str(size), "MF_PARALLEL_NODE_INDEX": str(rank),
        "MF_PARALLEL_CONTROL_TASK_ID": "task-0-n0",
        "MF_MASTER_ADDR": MAIN, "MF_MASTER_PORT": "20000", "MF_WORLD_SIZE": str(size), **role,
    }


@pytest.mark.parametrize("deployed, size", [("plain", 3), ("kubernetes", 3), ("kubernetes", 1)], indirect=["deployed"])
def test_a_gang_in_a_foreach(deployed, launcher, tmp_path, size):
    deployed.init(tmp_path, launcher, "--size", str(size))
    deployed.step(tmp_path, launcher, "start")
    deployed.step(tmp_path, launcher, "fan", task="task-0", inputs="start/task", split=0)
    told = launcher.transitions[-1]
    assert (told["next"], told["num_splits"], told["gang_size"]) == (["train"], 0, size)
    for rank in range(size):
        environ = environment(tmp_path, rank, size)
        deployed.step(
            tmp_path, launcher, "train", "--ubf-context", environ["UBF_CONTEXT"], "--num-parallel", str(size),
            task="task-0-n%d" % rank, inputs="fan/task-0", split=rank, environment=environ,
        )
        assert launcher.transitions[-1]["next"] == ["gather"] and launcher.transitions[-1]["gang_size"] == 0
    assert artifact(launcher, "train/task-0-n0", "_control_mapper_tasks") == ["%s/train/task-0-n%d" % (RUN, rank) for rank in range(size)]

    deployed.step(tmp_path, launcher, "gather", task="task-0", inputs=",".join("train/task-0-n%d" % rank for rank in range(size)))
    assert artifact(launcher, "gather/task-0", "seen") == [[MAIN, size, rank, "task-0-n0", True, "a", rank] for rank in range(size)]


@pytest.mark.parametrize("deployed", ["idle"], indirect=True)
def test_members_without_user_code(deployed, launcher, tmp_path):
    deployed.init(tmp_path, launcher, "--size", "2")
    deployed.step(tmp_path, launcher, "start")
    deployed.step(tmp_path, launcher, "fan", task="task-0", inputs="start/task", split=0)
    for rank, context in enumerate(("ubf_control", "ubf_task")):
        deployed.step(
            tmp_path, launcher, "train", "--ubf-context", context, "--num-parallel", "2",
            task="task-0-n%d" % rank, inputs="fan/task-0", split=rank, environment=environment(tmp_path, rank, 2),
        )
        assert (launcher.transitions[-1]["task_ok"], launcher.transitions[-1]["next"]) == (True, ["gather"])
