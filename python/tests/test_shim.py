"""The shim where something is not as usual: cards, @catch, another Metaflow or
extension than it knows, a launcher that refuses, is gone, or goes."""

import gzip
import json
import os
import signal

import pytest
from deploying import User, write_flow
from fake_launcher import Refusal
from tasks import RUN, Deployed

ENDS = '''
@step
def start(self):
    self.next(self.work)

{decorators}
@step
def work(self):
{code}
    self.next(self.end)

@step
def end(self):
    pass
'''


@pytest.fixture
def deploy(tmp_path):
    """Deploys a flow whose step `work` is the given code."""

    def make(code="pass", decorators="", imports="FlowSpec, step", before="", body=""):
        folder = tmp_path / "flow"
        folder.mkdir()
        body += ENDS.format(decorators=decorators, code="\n".join("    " + line for line in code.splitlines()))
        return Deployed(User(tmp_path / "user"), write_flow(folder, body, imports=imports, before=before))

    return make


@pytest.fixture
def work(launcher, tmp_path):
    def run(deployed, **options):
        deployed.init(tmp_path, launcher)
        deployed.step(tmp_path, launcher, "start")
        launcher.transitions.clear()
        return deployed.step(tmp_path, launcher, "work", inputs="start/task", **options)

    return run


def attempt_files(launcher):
    return [path.rpartition("/")[2] for path in launcher.under("TestFlow/%s/work/task/" % RUN)]


def test_caught(deploy, launcher, work):
    deployed = deploy("raise ValueError('as asked')", "@catch(var='problem')", "FlowSpec, catch, step")
    work(deployed)
    assert launcher.transitions == [{"attempt": 0, "task_ok": True, "next": ["end"], "num_splits": 0, "gang_size": 0}]


def test_fallback_of_catch(deploy, launcher, work):
    """An attempt beyond the retries runs no user code."""
    deployed = deploy("raise SystemExit(3)", "@catch(var='problem')", "FlowSpec, catch, step")
    work(deployed, attempt=1, retries=0)
    assert launcher.transitions == [{"attempt": 1, "task_ok": True, "next": ["end"], "num_splits": 0, "gang_size": 0}]


def test_card(deploy, launcher, work, tmp_path):
    before = "from metaflow.cards import Markdown\n\n\n"
    deployed = deploy("current.card.append(Markdown('# Seen'))", "@card(type='blank')", "FlowSpec, card, current, step", before)
    work(deployed)
    [(root, path)] = [key for key in launcher.objects if key[1].endswith(".html")]
    assert root == deployed.definition["datastore"]["root"] + "/mf.cards"
    assert path.startswith("TestFlow/runs/%s/steps/work/tasks/task/cards/blank-" % RUN)
    assert not deployed.store.exists() and not list((tmp_path / "work").rglob(".metaflow"))
    # The card's own process has connections of its own.
    assert len(set(launcher.pids("hello"))) > 3


def test_included_files(deploy, launcher, tmp_path):
    """Read through the launcher, whatever store they are in, without that store's own client."""
    body = "words = IncludeFile('words')\nraw = IncludeFile('raw', is_text=False)\n"
    deployed = deploy("assert (self.words, self.raw, 'boto3' in sys.modules) == ('drei\\n', b'\\xff', False)", body=body,
                      imports="FlowSpec, IncludeFile, step", before="import sys\n\n\n")
    launcher.objects["s3://bucket/data/TestFlow", "a1"] = gzip.compress(b"drei\n")
    launcher.objects["/data/TestFlow", "b2"] = gzip.compress(b"\xff")
    descriptor = {"note": "Internal representation of IncludeFile", "type": "uploader-v2", "sub-type": "uploaded", "encoding": "utf-8"}
    words = json.dumps({**descriptor, "url": "s3://bucket/data/TestFlow/a1", "is_text": True, "size": 5})
    raw = json.dumps({**descriptor, "url": "local:///data/TestFlow/b2", "is_text": False, "size": 1})
    deployed.init(tmp_path, launcher, "--words", words, "--raw", raw)
    deployed.step(tmp_path, launcher, "start")
    deployed.step(tmp_path, launcher, "work", inputs="start/task")
    assert not list((tmp_path / "spool").iterdir())
    del launcher.objects["/data/TestFlow", "b2"]
    done = deployed.step(tmp_path, launcher, "work", inputs="start/task", expect=1)
    assert "local:///data/TestFlow/b2" in done.stderr


def test_metaflow_that_compresses_otherwise(deploy, launcher, work):
    """A function that is not the one we know stays as it is, and the log says
    so; the launcher gets contents all the same."""
    before = (
        "from metaflow.datastore.content_addressed_store import ContentAddressedStore\n\n"
        "stock = ContentAddressedStore._pack_v1\nContentAddressedStore._pack_v1 = lambda self, blob, level=3: stock(self, blob)\n\n\n"
    )
    work(deploy(before=before))
    assert launcher.notes and all("pass artifacts through left as it is" in note for note in launcher.notes)
    assert len(launcher.under("TestFlow/data/")) > 5
    assert "0.DONE.lock" in attempt_files(launcher)


def test_another_extension_in_our_place(deploy, launcher, tmp_path):
    deployed = deploy()
    extensions = deployed.package / ".mf_code" / "metaflow_extensions"
    plugins = extensions / "other" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "mfextinit_other.py").write_text('DATASTORES_DESC = [("local", ".storage.Storage")]\n')
    (plugins / "storage.py").write_text("from metaflow.plugins.datastores.local_storage import LocalStorage as Storage\n")
    info_file = deployed.package / ".mf_meta" / "INFO"
    info = json.loads(info_file.read_text())
    packages, points = info["ext_info"]
    packages["other"] = {**packages["millrace_runtime"], "files": ["other/plugins/mfextinit_other.py", "other/plugins/storage.py"]}
    points["plugins"].append(["other", "other", "metaflow_extensions.other.plugins.mfextinit_other"])
    info_file.write_text(json.dumps(info))
    done = deployed.step(tmp_path, launcher, "start", expect=1)
    assert "must be the last extension" in done.stderr and "'local'" in done.stderr
    assert not launcher.objects


@pytest.mark.parametrize(("op", "refusal", "says"), [
    ("save", Refusal("fenced", "the lease is lost"), "the lease is lost (fenced)"),
    ("load", Refusal("permission", "bucket mill: access denied"), "bucket mill: access denied (permission)"),
    ("metadata", Refusal("transient", "the service does not answer"), "the service does not answer (transient)"),
    ("transition", Refusal("fenced", "the lease is lost"), "the lease is lost (fenced)"),
])
def test_refusals_are_the_tasks_failure(deploy, launcher, work, tmp_path, op, refusal, says):
    deployed = deploy()
    deployed.init(tmp_path, launcher)
    launcher.refusals[op] = refusal
    done = deployed.step(tmp_path, launcher, "start", expect=None)
    assert done.returncode not in (0, 202)
    assert says in done.stderr
    assert not launcher.under("TestFlow/%s/start/task/0.DONE" % RUN)


def test_no_launcher(deploy, launcher, tmp_path):
    """The task ends; it does not write behind the launcher's back."""
    deployed = deploy()
    launcher.close()
    done = deployed.init(tmp_path, launcher, expect=1)
    assert "the task ends" in done.stderr
    assert not deployed.store.exists()


def test_the_task_ends_with_its_launcher(deploy, launcher, tmp_path):
    """It and what it has started, also while C code holds Python's lock."""
    code = "subprocess.Popen(['sleep', '1000'])\nprint('computing', flush=True)\nctypes.PyDLL(None).sleep(1000)"
    deployed = deploy(code, before="import ctypes\nimport subprocess\n\n\n")
    deployed.init(tmp_path, launcher)
    deployed.step(tmp_path, launcher, "start")
    (tmp_path / "inputs").write_text(RUN + "/start/task")
    command = ["step", "work", "--run-id", RUN, "--task-id", "task", "--input-paths-filename", str(tmp_path / "inputs")]
    with deployed.started(tmp_path, launcher, *command, "--retry-count", "0", "--max-user-code-retries", "0") as process:
        try:
            assert process.stdout.readline() == "computing\n"
            launcher.close()
            # The end of the pipe: nobody is left who holds it.
            assert process.stdout.read() == ""
            assert process.wait() == -signal.SIGKILL
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_without_a_socket_nothing_changes(deploy, launcher, tmp_path):
    """A package with the shim in it, run by hand, is plain Metaflow."""
    deployed = deploy()
    deployed.run(tmp_path, launcher, "run", top=("--metadata=local",), environment={"MILLRACE_SOCKET": ""})
    assert not launcher.requests
    assert list(deployed.store.glob(".metaflow/TestFlow/*/end/*/0.DONE.lock"))
