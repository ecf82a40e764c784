"""Commands of the extension as a user types them, with a `driver` that keeps
what it is asked for."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).parent
KEPT = ("PATH", "LANG", "LC_ALL", "TZ")


class User:
    """A user with a home, a store and a driver of their own."""

    def __init__(self, folder, **environment):
        self.folder, self.driver = folder, folder / "bin" / "driver"
        self.driver.parent.mkdir(parents=True)
        self.driver.write_text("#!/bin/sh\nexec %s %s \"$@\"\n" % (shlex.quote(sys.executable), shlex.quote(str(HERE / "recording_driver.py"))))
        self.driver.chmod(0o755)
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment.update(
            {
                "HOME": str(folder),
                "METAFLOW_USER": "tester",
                "METAFLOW_HOME": str(folder / "metaflow"),
                "METAFLOW_CLIENT_CACHE_PATH": str(folder / "client"),
                "METAFLOW_DEFAULT_DATASTORE": "local",
                "METAFLOW_DEFAULT_METADATA": "local",
                "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder / "store"),
                "METAFLOW_SERVICE_URL": "http://service.example/",
                "MILLRACE_DRIVER_BIN": str(self.driver),
                "PYTHONDONTWRITEBYTECODE": "1",
                "RECORDING": str(folder),
            },
            **environment,
        )
        (folder / "store").mkdir()

    def flow(self, script, *arguments, check=True, environment=None):
        """`python flow.py ...` in the flow's own folder."""
        done = subprocess.run(
            [sys.executable, str(script), "--no-pylint", *arguments],
            env={**self.environment, **(environment or {})},
            cwd=pathlib.Path(script).parent,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def create(self, script, *arguments, top=(), **options):
        return self.flow(script, *top, "kubeflow-pipelines", "create", *arguments, **options)

    def trigger(self, script, *arguments, **options):
        return self.flow(script, "kubeflow-pipelines", "trigger", *arguments, **options)

    def call(self):
        """What the driver was asked for last."""
        return json.loads((self.folder / "call.json").read_text(encoding="utf-8"))

    def asked(self):
        return (self.folder / "call.json").exists()

    def definition(self, script, *arguments, **options):
        self.create(script, *arguments, **options)
        return self.call()["definition"]


def driver_program():
    """The real program, where a test wants more than what it is asked for."""
    return os.environ.get("MILLRACE_DRIVER_BIN") or str(ROOT / "bin" / "driver")


def driver_settings(folder):
    """What the real program needs to compile: of a launcher only the digest is of interest."""
    launchers = folder / "launchers"
    launchers.mkdir(exist_ok=True)
    (launchers / "launcher-linux-amd64").write_text("a launcher")
    return {"MILLRACE_DRIVER": "driver.example:7070", "MILLRACE_DRIVER_HTTP": "https://driver.example:7071", "MILLRACE_LAUNCHER_DIR": str(launchers)}


def compiled(folder, definition):
    """The pipeline that the driver makes of a definition."""
    command = [driver_program(), "compile", "--definition", "-", "--definition-url", "/store/definition"]
    done = subprocess.run(command, input=json.dumps(definition), env=driver_settings(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_flow(folder, body, *, name="TestFlow", before="", imports="FlowSpec, step"):
    """A flow file with the given class body."""
    script = folder / "flow.py"
    lines = "\n".join("    " + line if line else "" for line in body.strip("\n").splitlines())
    script.write_text(
        f"from metaflow import {imports}\n\n\n{before}class {name}(FlowSpec):\n{lines}\n\n\nif __name__ == \"__main__\":\n    {name}()\n", encoding="utf-8"
    )
    return script


# Two steps; the commonest end of a body.
LINEAR = """
@step
def start(self):
    self.next(self.end)

@step
def end(self):
    pass
"""
