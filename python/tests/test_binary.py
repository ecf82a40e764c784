"""Where the program `driver` is looked for, and what of it the user is told."""

import os
import sys

import pytest
from metaflow_extensions.millrace.plugins.kubeflow import binary
from metaflow_extensions.millrace.plugins.kubeflow.errors import KubeflowPipelinesException


@pytest.fixture
def program(tmp_path):
    def make(folder, text="#!/bin/sh\necho out; echo err >&2\n"):
        path = tmp_path / folder / "driver"
        path.parent.mkdir()
        path.write_text(text)
        path.chmod(0o755)
        return path

    return make


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("MILLRACE_DRIVER_BIN", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "beside" / "python"))
    monkeypatch.setenv("PATH", "%s:%s" % (tmp_path / "path", os.defpath))


def test_order(program, monkeypatch):
    on_path = program("path")
    assert binary.find() == str(on_path)
    beside = program("beside")
    assert binary.find() == str(beside)
    named = program("named")
    monkeypatch.setenv("MILLRACE_DRIVER_BIN", str(named))
    assert binary.find() == str(named)


def test_what_cannot_be_run_is_not_passed_over(program, monkeypatch):
    program("path")
    monkeypatch.setenv("MILLRACE_DRIVER_BIN", "/nowhere/driver")
    with pytest.raises(KubeflowPipelinesException, match="MILLRACE_DRIVER_BIN is /nowhere/driver"):
        binary.find()


def test_none():
    with pytest.raises(KubeflowPipelinesException, match="PATH, or name it in MILLRACE_DRIVER_BIN"):
        binary.find()


def test_output_and_remarks(program, capsys):
    program("path")
    assert binary.run("compile") == "out\n"
    assert capsys.readouterr().err == "err\n"


@pytest.mark.parametrize(("script", "says"), [
    ("echo 'driver: no such bucket' >&2; exit 1", "^no such bucket$"),
    ("exit 3", "driver deploy failed with exit code 3"),
    ("kill -9 $$", "killed by signal 9"),
    ("echo no JSON", "driver deploy printed no JSON"),
])
def test_failures(program, script, says):
    program("path", "#!/bin/sh\n%s\n" % script)
    with pytest.raises(KubeflowPipelinesException, match=says):
        binary.run_json("deploy")
