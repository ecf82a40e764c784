"""What Metaflow offers besides the graph: to a flow when it is deployed, to a
task while it runs, and an environment of its own."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from harness import client
from harness.paths import EMULATED, FLOWS, ROOT

OFFERED = FLOWS / "offered"
# How this machine reaches PyPI, which no pod inherits.
NETWORK = ("SSL_CERT_FILE", "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")

ARTIFACTS = """
import json, sys
from metaflow import Run, namespace

namespace(None)
run = Run(sys.argv[1])
print(json.dumps({"tags": sorted(run.user_tags), **{item.id: item.data for item in run.end_task}}))
"""


def artifacts_of_the_end(run):
    return json.loads(client.python(ARTIFACTS, client.client_environment(run.stack), run.pathspec, cwd=run.stack.folder))


@pytest.fixture
def with_extension(stack, monkeypatch):
    """A stack whose user has an extension of Metaflow's beside ours."""
    for environment in (stack.environment, stack.user):
        monkeypatch.setitem(environment, "PYTHONPATH", str(OFFERED / "extension"))
    return stack


def test_offered_to_a_flow(with_extension, tmp_path):
    stack, script = with_extension, OFFERED / "offered.py"
    words = tmp_path / "words.txt"
    words.write_text("other words\n")
    given = ["--words", str(words)] if stack.s3 else []
    run = stack.run(script, *given)
    client.same(client.read(run), client.plain_run(script, tmp_path / "plain", stack, *given))


@pytest.mark.parametrize("stack", ["s3"], indirect=True)
def test_offered_to_a_task(with_extension):
    run = with_extension.run(OFFERED / "within.py")
    found = artifacts_of_the_end(run)
    assert found["shown"] == [True, True]
    # One of the attempt that was killed, as it stood then, and one of the attempt that ended.
    assert sorted(found["cards"]) in ([["live", stage], ["live", "in the end"]] for stage in ("begun", "half way"))
    assert found["letters"] == "letters"
    assert found["runs"] and found["tags"] == ["seen from within"]
    assert found["nested"] == ["successful", True, [0, 1, 4]]
    assert found["store"] == ["value", ["0", "1", "2", "value"]]
    assert len(run.task("start")["attempts"]) == 2


def test_checkpoints(stack, monkeypatch):
    """Of an extension that most flows do without, so it is not in the virtualenv."""
    monkeypatch.setitem(stack.environment, "PYTHONPATH", str(ROOT / ".cache" / "checkpoint"))
    found = artifacts_of_the_end(stack.run(OFFERED / "checkpoints.py"))
    assert (found["found"], found["saved_by"], found["kept"]) == (2, [0, 0, 1], 2)


def test_sdk_that_the_image_lacks(own_stack, s3):
    """Installed once in a pod, by those tasks alone that need it. The pods' interpreter has no SDK of any cloud."""
    environment = {name: os.environ[name] for name in NETWORK if name in os.environ}
    stack = own_stack(s3=s3, args=("--python", str(ROOT / ".venv-kfp" / "bin" / "python")), environment=environment)
    run = stack.run(OFFERED / "sdk.py", create=("--max-workers", "1"))
    found = artifacts_of_the_end(run)
    assert found["kept"] == [["0", "1", "2"]] * 2
    assert len(set(found["places"])) == 1 and found["places"][0].endswith("/sdks/s3/boto3/__init__.py")
    logs = client.read(run)["steps"]
    said = {step: sum("Installing" in log["stdout"] + log["stderr"] for task in tasks for log in task["logs"]) for step, tasks in logs.items()}
    assert said == {"_parameters": 0, "start": 0, "work": 1, "join": 0, "end": 0}


def test_packages_of_its_own(files, monkeypatch):
    for name in NETWORK:
        if name in os.environ:
            monkeypatch.setitem(files.environment, name, os.environ[name])
    monkeypatch.setitem(files.environment, "UV_CACHE_DIR", str(ROOT / ".cache" / "uv"))
    run = files.run(FLOWS / "apart" / "apart.py", top=("--environment=uv",))
    found = artifacts_of_the_end(run)
    assert "hello" in found["said"] and found["apart"]


def test_environments_of_condas(own_stack, s3, tmp_path):
    """All is Metaflow's own, and pip and PyPI real, but micromamba: no channel of conda's can be counted on here.
    The image has the stand-in beside its Python, and nothing else."""
    image = tmp_path / "image"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(image)], check=True)
    shutil.copy(EMULATED / "micromamba", image / "bin")
    network = {name: os.environ[name] for name in NETWORK if name in os.environ}
    stack = own_stack(s3=s3, args=("--python", str(image / "bin" / "python")),
                      environment={"METAFLOW_PATH_TO_MICROMAMBA": str(EMULATED / "micromamba"), **network})
    # Metaflow notes beside the flow what it has stored.
    script = pathlib.Path(shutil.copy(OFFERED / "conda.py", tmp_path))
    found = artifacts_of_the_end(stack.run(script, top=("--environment=conda",)))
    conda, pypi, outside = found["prefixes"]
    assert outside == str(image)
    for prefix in (conda, pypi):
        assert prefix.startswith(str(stack.home / "pods"))
    assert conda.rpartition("/")[2] != pypi.rpartition("/")[2] and found["package"].startswith(pypi + "/lib/")
