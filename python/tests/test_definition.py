"""The FlowDefinition of each example, and what of a flow gets into it."""

import json
import os
import pathlib
import sys

import pytest
from deploying import LINEAR, ROOT
from metaflow.graph import FlowGraph

GOLDEN = pathlib.Path(__file__).parent / "golden"
# Flows that the oldest Metaflow cannot have.
TOO_NEW = () if hasattr(FlowGraph, "_identify_start_end") else ("named",)
FLOWS = [
    *(path for path in sorted((ROOT / "examples").glob("*/*.py")) if path.stem not in TOO_NEW),
    *(ROOT / "test" / "e2e" / "flows" / name for name in ("parameters.py", "names.py", "hang.py")),
]


def stable(definition, user):
    """Without what differs by machine, by version and by deployment."""
    out = {k: v for k, v in definition.items() if k not in ("code_package", "python", "metaflow_version", "production_token", "system_tags")}
    return json.loads(json.dumps(out).replace(str(user.folder), "HOME"))


@pytest.mark.parametrize("script", FLOWS, ids=lambda path: path.stem)
def test_golden(user, script):
    got = json.dumps(stable(user.definition(script), user), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    file = GOLDEN / (script.stem + ".json")
    if os.environ.get("REWRITE"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(got, encoding="utf-8")
    assert got == file.read_text(encoding="utf-8"), "REWRITE=1 writes the golden files anew; read the difference"


def test_deployment(user, make_flow):
    script = make_flow(LINEAR)
    definition = user.definition(script, "--tag", "a", "--tag", "b:c d", "--max-workers", "7", "--max-splits", "9", "--namespace", "ns")
    assert definition["tags"] == ["a", "b:c d"]
    assert (definition["max_workers"], definition["max_splits"], definition["namespace"]) == (7, 9, "ns")
    assert definition["python"] == os.path.abspath(sys.executable)
    assert definition["owner"] == "tester"
    token = definition["production_token"]
    assert "production:" + token in definition["system_tags"]
    assert "runtime:kubeflow-pipelines" in definition["system_tags"]
    # The same user keeps the token; a new one is made on demand.
    assert user.definition(script)["production_token"] == token
    assert user.definition(script, "--generate-new-token")["production_token"] != token
    assert user.definition(script, "--new-token", "production:mine")["production_token"] == "mine"


def test_stored_bytes_are_those_that_are_named(user, make_flow):
    import hashlib

    user.create(make_flow(LINEAR))
    call = user.call()
    package = call["definition"]["code_package"]
    blob = pathlib.Path(package["url"]).read_bytes()
    assert (package["size"], package["sha1"], package["sha256"]) == (len(blob), hashlib.sha1(blob).hexdigest(), hashlib.sha256(blob).hexdigest())
    url = call["arguments"][call["arguments"].index("--definition-url") + 1]
    assert json.loads(pathlib.Path(url).read_bytes()) == call["definition"]


def test_added_decorators(user, make_flow):
    steps = user.definition(make_flow(LINEAR), top=("--with", "retry:times=4,minutes_between_retries=2"))["steps"]
    assert [s["retry"] for s in steps] == [{"user_retries": 4, "error_retries": 0, "delay_seconds": 120}] * 2
    assert all(s["with"] == ["retry:times=4,minutes_between_retries=2"] for s in steps)


def test_decorators(user, make_flow):
    body = """
@retry(times=2, minutes_between_retries=0.5)
@catch(var="problem")
@timeout(minutes=1, seconds=5)
@environment(vars={"WHERE": "here", "EMPTY": "", "ABSENT": None})
@resources(cpu=2, memory=8000)
@step
def start(self):
    self.next(self.end)

@step
def end(self):
    pass
"""
    start, end = user.definition(make_flow(body, imports="FlowSpec, step, retry, catch, timeout, environment, resources"))["steps"]
    assert start["retry"] == {"user_retries": 2, "error_retries": 3, "delay_seconds": 30}
    assert start["timeout_seconds"] == 65
    assert start["environment"] == {"WHERE": "here", "EMPTY": ""}
    assert (start["resources"]["cpu"], start["resources"]["memory"]) == ("2", "8000M")
    assert end["retry"] == {"user_retries": 0, "error_retries": 0, "delay_seconds": 0}


def test_project(user, make_flow):
    script = make_flow(LINEAR, imports="FlowSpec, project, step", before='@project(name="mill")\n')
    mine = user.definition(script)
    assert mine["pipeline"] == "mill.user.tester.TestFlow"
    assert {"project:mill", "project_branch:user.tester"} <= set(mine["system_tags"])
    staged = user.definition(script, top=("--branch", "staging"))
    assert staged["pipeline"] == "mill.test.staging.TestFlow"
    assert "--branch=staging" in staged["top_options"]
    live = user.definition(script, top=("--production",))
    assert live["pipeline"] == "mill.prod.TestFlow"
    assert "--production" in live["top_options"]
    tokens = {d["production_token"] for d in (mine, staged, live)}
    assert len(tokens) == 3 and all(t.startswith("mfprj-") for t in tokens)
    done = user.flow(script, "kubeflow-pipelines", "--name", "other", "create", check=False)
    assert done.returncode != 0 and "--branch" in done.stderr


def test_name(user, make_flow):
    script = make_flow(LINEAR)
    user.flow(script, "kubeflow-pipelines", "--name", "nightly.v2", "create")
    assert user.call()["definition"]["pipeline"] == "nightly.v2"
    done = user.flow(script, "kubeflow-pipelines", "--name", "a b", "create", check=False)
    assert done.returncode != 0 and "a b" in done.stderr


def test_configs(user, make_flow):
    body = 'settings = Config("settings", default="settings.json")\nother = Config("other-one", default_value={"a": 1})\n' + LINEAR
    script = make_flow(body, imports="Config, FlowSpec, step")
    (script.parent / "settings.json").write_text('{"depth": 3}')
    definition = user.definition(script)
    assert json.loads(definition["environment"]["METAFLOW_FLOW_CONFIG_VALUE"]) == {"settings": "kv.settings", "other-one": "kv.other-one"}
    assert definition["parameters"] == []


def test_kubernetes_on_a_local_store(user, make_flow):
    body = """
@kubernetes(cpu=0.5, memory=512, image="mine:1", gpu=1, node_selector={"zone": "a"}, tolerations=[{"key": "gpu", "operator": "Exists"}], shared_memory=64)
@timeout(seconds=5)
@step
def start(self):
    self.next(self.end)

@step
def end(self):
    pass
"""
    script = make_flow(body, imports="FlowSpec, kubernetes, step, timeout")
    start = user.definition(script)["steps"][0]
    assert start["resources"] == {
        "cpu": "0.5", "memory": "512M", "image": "mine:1", "gpu": "1", "gpu_type": "nvidia.com/gpu",
        "node_selector": {"zone": "a"}, "tolerations": [{"key": "gpu", "operator": "Exists"}], "shared_memory": "64Mi",
    }
    # Metaflow's own command for pods still wants a cloud's store.
    done = user.flow(script, "run", check=False)
    assert done.returncode != 0 and "datastore" in done.stdout + done.stderr
