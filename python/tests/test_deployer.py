"""Deploying from Python, by Metaflow's Deployer."""

import json
import subprocess
import sys

import pytest
from deploying import LINEAR

IMPORTS = "FlowSpec, JSONType, Parameter, step"
BODY = 'n = Parameter("n", type=int, default=1)\ndata = Parameter("data", type=JSONType, default="{}")\nwhere = Parameter("where", default=None)\n' + LINEAR

START = """
import json, os, sys
from metaflow import Deployer
deployer = Deployer(sys.argv[1], pylint=False).kubeflow_pipelines(url="http://kfp.example")
flow = deployer.create(max_workers=3, tags=["a", "b"])
calls = [json.load(open(os.environ["RECORDING"] + "/call.json"))["arguments"]]
"""


@pytest.fixture
def python(user, make_flow, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    def run(code, script=None):
        script = script or make_flow(BODY, imports=IMPORTS)
        done = subprocess.run([sys.executable, "-c", START + code, str(script)], env={**user.environment, "TMPDIR": str(temporary)},
                              cwd=user.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not list(temporary.glob("*.py"))
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_create_and_trigger(user, python):
    name, flow_name, pathspec, status, running = python(
        'run = flow.trigger(n=7, data={"a": [1]})\n'
        "print(json.dumps([flow.name, flow.flow_name, run.pathspec, run.status, run.is_running]))"
    )
    assert (name, flow_name, pathspec, status, running) == ("TestFlow", "TestFlow", "TestFlow/kfp-0a1b", "RUNNING", True)
    assert user.call()["arguments"] == ["status", "--run-id", "kfp-0a1b", "--kfp-url", "http://kfp.example", "--json"]
    deployed = json.loads((user.folder / "deploy.json").read_text())["definition"]
    assert (deployed["max_workers"], deployed["tags"]) == (3, ["a", "b"])
    assert json.loads((user.folder / "trigger.json").read_text())["parameters"] == {"n": 7, "data": {"a": [1]}}


def test_terminate(user, python):
    assert python("print(json.dumps(flow.trigger().terminate()))") is True
    assert user.call()["arguments"] == ["terminate", "--run-id", "kfp-0a1b", "--kfp-url", "http://kfp.example"]


def test_from_deployment(user, python):
    """The file of the flow is not needed; its parameters are known all the same."""
    pathspec, same = python(
        "from metaflow import DeployedFlow\n"
        'found = DeployedFlow.from_deployment("TestFlow", impl="kubeflow_pipelines")\n'
        "run = found.trigger(n=3)\n"
        'same = DeployedFlow.get_triggered_run("TestFlow", "kfp-0a1b", impl="kubeflow_pipelines")\n'
        "print(json.dumps([run.pathspec, same.pathspec]))"
    )
    assert pathspec == same == "TestFlow/kfp-0a1b"
    assert json.loads((user.folder / "trigger.json").read_text())["parameters"] == {"n": 3}


def test_from_deployment_of_a_branch(user, python, make_flow):
    script = make_flow(LINEAR, imports="FlowSpec, project, step", before='@project(name="mill")\n')
    user.create(script, top=("--branch", "staging"))
    triggered = python(
        "from metaflow import DeployedFlow\n"
        'staged = Deployer(sys.argv[1], pylint=False, branch="staging").kubeflow_pipelines().create()\n'
        'found = DeployedFlow.from_deployment(staged.name, impl="kubeflow_pipelines")\n'
        "found.trigger()\n"
        'print(json.dumps(json.load(open(os.environ["RECORDING"] + "/trigger.json"))["arguments"]))',
        script,
    )
    assert triggered[:3] == ["trigger", "--pipeline", "mill.test.staging.TestFlow"]
