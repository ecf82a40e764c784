"""Real Metaflow, run as the launcher runs it, against a launcher in memory."""

import json
import pickle
import zlib

import pytest
from deploying import User, write_flow
from tasks import RUN, Deployed

BODY = '''
how = Parameter("how", default="well")
data = Parameter("data", type=JSONType, default=None)

@step
def start(self):
    self.splits = list("abcdef")
    self.next(self.work, foreach="splits")

@step
def work(self):
    self.letter = self.input
    if self.how == "big":
        self.big = os.urandom(3 << 20)
    if self.how == "same":
        self.one, self.other = "equal " * 100, "equal " * 100
    if self.how == "exits":
        sys.exit(0)
    if self.how == "raises":
        raise ValueError("as asked")
    if self.how == "unpicklable":
        self.lock = threading.Lock()
    if self.how == "forks":
        self.forked = self.children()
    if self.how == "client":
        self.seen = sorted(Task("%s/%s/start/task" % (current.flow_name, current.run_id)).data.splits)
    self.modules = sorted(name for name in ("boto3", "botocore", "azure.core", "google.cloud") if name in sys.modules)
    self.next(self.join)

@step
def join(self, inputs):
    self.letters = [one.letter for one in inputs]
    self.next(self.end)

@step
def end(self):
    pass

def children(self):
    """A child that uses the store through the connection it must not share."""
    from metaflow.plugins import DATASTORES
    storage = [d for d in DATASTORES if d.TYPE == "local"][0]("/elsewhere")
    storage.save_bytes([("parent", io.BytesIO(b"p"))])
    pid = os.fork()
    if pid == 0:
        storage.save_bytes([("child", io.BytesIO(b"c"))])
        os._exit(0)
    storage.save_bytes([("parent again", io.BytesIO(b"p"))])
    return [os.getpid(), pid, os.waitpid(pid, 0)[1]]
'''


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployed")
    (folder / "flow").mkdir()
    script = write_flow(
        folder / "flow", BODY, name="SplitFlow", imports="FlowSpec, JSONType, Parameter, Task, current, step",
        before="import io\nimport os\nimport sys\nimport threading\n\n\n",
    )
    return Deployed(User(folder / "user"), script)


@pytest.fixture
def work(deployed, launcher, tmp_path):
    """Runs the flow up to the step `work`, which does what it is told."""

    def run(how, **options):
        deployed.init(tmp_path, launcher, "--how", how)
        deployed.step(tmp_path, launcher, "start")
        launcher.requests.clear()
        launcher.transitions.clear()
        return deployed.step(tmp_path, launcher, "work", task="task-1", inputs="start/task", split=1, **options)

    return run


def artifact(launcher, task, name, attempt=0):
    data = json.loads(launcher.read("SplitFlow/%s/%s/%d.data.json" % (RUN, task, attempt)))
    key = data["objects"][name]
    return pickle.loads(launcher.read("SplitFlow/data/%s/%s" % (key[:2], key)))


def attempt_files(launcher, task):
    return [path.rpartition("/")[2] for path in launcher.under("SplitFlow/%s/%s/" % (RUN, task))]


def test_a_whole_run(deployed, launcher, tmp_path):
    deployed.init(tmp_path, launcher, "--how", "well", "--data", '{"a": null}')
    assert not launcher.transitions, "init has no transition"
    assert artifact(launcher, "_parameters/p", "data") == {"a": None}
    deployed.step(tmp_path, launcher, "start")
    for i in range(6):
        deployed.step(tmp_path, launcher, "work", task="task-%d" % i, inputs="start/task", split=i)
    launcher.requests.clear()
    deployed.step(tmp_path, launcher, "join", inputs=",".join("work/task-%d" % i for i in range(6)))
    joining = list(launcher.requests)
    deployed.step(tmp_path, launcher, "end", inputs="join/task")

    assert artifact(launcher, "join/task", "letters") == list("abcdef")
    assert attempt_files(launcher, "end/task") == ["0.DONE.lock", "0.attempt.json", "0.data.json", "0.task_begin", "0.task_end"]
    assert launcher.transitions == [
        {"attempt": 0, "task_ok": True, "next": ["work"], "num_splits": 6, "gang_size": 0},
        *[{"attempt": 0, "task_ok": True, "next": ["join"], "num_splits": 0, "gang_size": 0}] * 6,
        {"attempt": 0, "task_ok": True, "next": ["end"], "num_splits": 0, "gang_size": 0},
        {"attempt": 0, "task_ok": True, "next": [], "num_splits": 0, "gang_size": 0},
    ]
    # The probe of a wide join is one request.
    probes = [r for _, r in joining if r["op"] == "load" and any("attempt.json" in path for path in r["paths"])]
    assert len(probes) == 1 and len(probes[0]["paths"]) == 6 * 18
    # Nothing was written but through the socket, and no cloud's SDK was loaded.
    assert artifact(launcher, "work/task-0", "modules") == []
    assert not deployed.store.exists()
    assert not list((tmp_path / "work").rglob(".metaflow"))
    assert not list((tmp_path / "home").iterdir())
    assert not list((tmp_path / "spool").iterdir())
    assert not launcher.notes


def test_metadata(launcher, work):
    work("well", environment={"METAFLOW_CODE_URL": "s3://x"})
    task = launcher.rows["/flows/SplitFlow/runs/%s/steps/work/tasks/task-1" % RUN]
    assert task["user_name"] == "kubeflow-pipelines"
    assert any(tag.startswith("production:") for tag in task["system_tags"])
    under = "/flows/SplitFlow/runs/%s/steps/work/tasks/task-1" % RUN
    metadata = {path.rsplit("/", 1)[1] for path in launcher.rows if path.startswith(under + "/metadata/")}
    assert {"attempt", "ds-type", "ds-root", "foreach-stack", "attempt_ok", "attempt-done", "runtime"} <= metadata
    artifacts = {path.rsplit("/", 1)[1] for path in launcher.rows if path.startswith(under + "/artifacts/")}
    assert {"name", "letter", "_task_ok", "_transition"} <= artifacts
    assert not [r for r in launcher.asked("metadata") if "heartbeat" in r["path"]]


def test_the_transition_is_told_before_done(launcher, work):
    work("well")
    told = next(i for i, (_, r) in enumerate(launcher.requests) if r["op"] == "transition")
    done = next(i for i, (_, r) in enumerate(launcher.requests) if r["op"] == "save" and any("DONE" in item["path"] for item in r["items"]))
    assert told == done - 1
    assert [item["path"].rpartition("/")[2] for item in launcher.requests[done][1]["items"]] == ["0.data.json", "0.DONE.lock"]


def test_raises(launcher, work):
    done = work("raises", expect=1)
    assert "ValueError: as asked" in done.stderr
    assert launcher.transitions == [{"attempt": 0, "task_ok": False, "next": [], "num_splits": 0, "gang_size": 0}]
    assert "0.DONE.lock" in attempt_files(launcher, "work/task-1")


def test_second_attempt(launcher, work):
    work("well", attempt=1, retries=1)
    assert launcher.transitions[0]["attempt"] == 1
    assert "1.DONE.lock" in attempt_files(launcher, "work/task-1")


def test_exits(launcher, work):
    """No hook fires, so nothing is told: the attempt is no success."""
    work("exits", expect=0)
    assert launcher.transitions == []
    assert "0.DONE.lock" in attempt_files(launcher, "work/task-1")


def test_unpicklable(launcher, work):
    done = work("unpicklable", expect=1)
    assert "lock" in done.stderr
    assert launcher.transitions == []
    assert "0.DONE.lock" not in attempt_files(launcher, "work/task-1")


def test_big_artifact_travels_as_a_file(launcher, work, tmp_path):
    work("big")
    big = artifact(launcher, "work/task-1", "big")
    assert len(big) == 3 << 20
    assert len(launcher.saved_as_file) == 1
    assert not list((tmp_path / "spool").iterdir())


def test_artifacts_come_as_they_are(launcher, work):
    """Not compressed by Python: the launcher does it, and may do it otherwise."""
    work("well")
    data = [launcher.read(path) for path in launcher.under("SplitFlow/data/")]
    assert data and all(blob[:2] != b"\x1f\x8b" for blob in data)
    with pytest.raises(zlib.error):
        zlib.decompress(data[0], 31)


def test_equal_artifacts_are_one_object(launcher, work):
    work("same")
    for request in launcher.asked("save"):
        paths = [item["path"] for item in request["items"]]
        assert len(paths) == len(set(paths))


def test_a_forked_child_has_its_own_connection(launcher, work):
    work("forks")
    parent, child, status = artifact(launcher, "work/task-1", "forked")
    assert status == 0
    savers = {item["path"]: pid for pid, r in launcher.requests if r["op"] == "save" for item in r["items"]}
    assert (savers["parent"], savers["child"], savers["parent again"]) == (parent, child, parent)


def test_the_client_in_a_task(launcher, work):
    work("client")
    assert artifact(launcher, "work/task-1", "seen") == list("abcdef")
