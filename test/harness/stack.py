"""A laptop stack as a user starts it, and the commands a user types at it."""

import dataclasses
import json
import os
import pathlib
import shlex
import signal
import subprocess
import urllib.error
import urllib.request
from typing import Any

from .environment import user_environment
from .paths import BIN, BYTECODE, PYTHON
from .processes import until

ENDED = ("SUCCEEDED", "FAILED", "CANCELED")


class CommandError(AssertionError):
    def __init__(self, command: list[str], process: subprocess.CompletedProcess):
        self.stdout, self.stderr, self.code = process.stdout, process.stderr, process.returncode
        super().__init__(f"{shlex.join(command)}: exit {process.returncode}\n{process.stdout}\n{process.stderr}")


@dataclasses.dataclass
class Run:
    """One triggered run."""

    stack: "Stack"
    flow: str
    id: str

    @property
    def pathspec(self) -> str:
        return f"{self.flow}/{self.id}"

    @property
    def kfp_id(self) -> str:
        return self.id.removeprefix("kfp-")

    def kfp(self) -> dict[str, Any]:
        return self.stack.kfp("GET", f"/runs/{self.kfp_id}")

    def wait(self, expect: str | None = "SUCCEEDED", timeout: float = 180) -> str:
        """Waits for the run's end and checks how it ended."""
        try:
            state = until(f"run {self.id} to end", lambda: (s := self.kfp()["state"]) in ENDED and s, timeout, every=0.2)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None
        if expect and state != expect:
            raise AssertionError(f"run {self.id} ended {state}, wanted {expect}\n{self.story()}")
        return state

    def tasks(self) -> list[dict[str, Any]]:
        try:
            return json.loads(self.stack.driver("tasks", self.id, "--json").stdout)
        except CommandError as error:
            if "not known to the driver" in str(error):
                return []  # no pod of the run has opened it yet
            raise

    def task(self, step: str, task: str = "task") -> dict[str, Any]:
        found = [t for t in self.tasks() if t["step"] == step and t["task"] == task]
        assert len(found) == 1, f"{step}/{task}: {found} in {self.tasks()}"
        return found[0]

    def kfp_tasks(self) -> dict[str, list[str]]:
        """The states of the KFP run's tasks by their display names."""
        states: dict[str, list[str]] = {}
        for detail in self.kfp().get("run_details", {}).get("task_details", []):
            states.setdefault(detail["display_name"], []).append(detail.get("state", ""))
        return states

    def status(self) -> dict[str, Any]:
        return json.loads(self.stack.driver("status", "--run-id", self.id, "--json").stdout)

    def retry(self) -> None:
        self.stack.driver("retry", "--run-id", self.id)

    def story(self) -> str:
        """What is known of the run, for a failed assertion."""
        parts = [f"KFP: {self.kfp_tasks()}"]
        for name, command in (("status", ["status", "--run-id", self.id]), ("tasks", ["tasks", self.id])):
            done = self.stack.command([str(self.stack.bin / "driver"), *command], check=False)
            parts.append(f"-- {name}\n{done.stdout}{done.stderr}")
        for log in sorted((self.stack.home / "logs" / self.kfp_id).rglob("*")):
            if log.is_file():
                parts.append(f"-- {log.name}\n{log.read_text(errors='replace')[-3000:]}")
        return "\n".join(parts)[-30000:]


class Stack:
    """`driver dev` on a home of its own."""

    def __init__(self, folder: pathlib.Path, *, slots: int = 4, s3=None, store=None, bin: pathlib.Path = BIN, args: tuple[str, ...] = (),
                 environment: dict[str, str] | None = None, python: pathlib.Path = PYTHON):
        self.folder, self.bin, self.s3, self.python = folder, bin, s3, python
        self.home = folder / "home"
        self.args = ["--slots", str(slots), *args]
        extra = {"PATH": f"{python.parent}:{os.environ['PATH']}", **(environment or {})}
        store = store or s3
        if store is not None:
            self.args += store.flags
            extra = {**store.credentials, **extra}
        self.user = user_environment(folder / "user", MILLRACE_DRIVER_BIN=str(bin / "driver"), **extra)
        self.process: subprocess.Popen | None = None
        self.environment: dict[str, str] = {}

    def start(self) -> "Stack":
        with (self.folder / "stack.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.bin / "driver"), "dev", "--home", str(self.home), *self.args],
                env=self.user, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT,
            )
        done = subprocess.run(
            [str(self.bin / "driver"), "dev", "env", "--home", str(self.home), "--wait"],
            env=self.user, cwd=self.folder, capture_output=True, text=True,
        )
        if done.returncode != 0 or self.process.poll() is not None:
            self.kill()
            raise AssertionError(f"driver dev did not start: {done.stderr}\n{self.log()}")
        self.environment = {**self.user, **parse_exports(done.stdout)}
        return self

    def share_bytecode(self, *variables: str) -> "Stack":
        """Lets the tasks of the flows that are deployed from here on share what Python compiles: half of a short task's time.

        Further variables of their pods are given as for MILLRACE_POD_ENV."""
        self.environment["MILLRACE_POD_ENV"] = ",".join((f"PYTHONPATH={BYTECODE}", f"MILLRACE_TEST_BYTECODE={self.folder / 'bytecode'}", *variables))
        return self

    def log(self) -> str:
        return (self.folder / "stack.log").read_text(errors="replace")[-20000:]

    def stop(self) -> None:
        """Ends the stack as ctrl-C does; whatever ran must be gone with it."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"driver dev did not end on SIGINT\n{self.log()}") from None
        self.process = None
        assert code == 0, f"driver dev ended with {code}\n{self.log()}"

    def kill(self) -> None:
        """The stack's process dies at once; its pods live on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def command(self, command: list[str], *, check: bool = True, cwd: pathlib.Path | None = None, input: str | None = None,
                timeout: float = 120) -> subprocess.CompletedProcess:
        done = subprocess.run(command, env=self.environment or self.user, cwd=cwd or self.folder, input=input, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise CommandError(command, done)
        return done

    def driver(self, *args: str, **options: Any) -> subprocess.CompletedProcess:
        return self.command([str(self.bin / "driver"), *args], **options)

    def flow(self, script: pathlib.Path, *args: str, **options: Any) -> subprocess.CompletedProcess:
        """`python flow.py ...`, typed in the flow's own folder."""
        return self.command([str(self.python), str(script), "--no-pylint", *args], cwd=script.parent, **options)

    def create(self, script: pathlib.Path, *args: str, top: tuple[str, ...] = (), **options: Any) -> subprocess.CompletedProcess:
        return self.flow(script, *top, "kubeflow-pipelines", "create", *args, **options)

    def trigger(self, script: pathlib.Path, *args: str, top: tuple[str, ...] = ()) -> Run:
        file = self.folder / f"run-id-{os.urandom(4).hex()}"
        self.flow(script, *top, "kubeflow-pipelines", "trigger", "--run-id-file", str(file), *args)
        # The file holds the run id, or Flow/run, as Metaflow's own runners write it.
        flow = flow_name(script)
        return Run(self, flow, file.read_text().strip().rpartition("/")[2])

    def resume(self, origin: Run, script: pathlib.Path, *args: str) -> Run:
        """A run of what is deployed now that takes over what had succeeded in the origin."""
        file = self.folder / f"run-id-{os.urandom(4).hex()}"
        self.flow(script, "kubeflow-pipelines", "resume", "--origin-run-id", origin.id, "--run-id-file", str(file), *args)
        return Run(self, origin.flow, file.read_text())

    def run(self, script: pathlib.Path, *args: str, create: tuple[str, ...] = (), top: tuple[str, ...] = (), expect: str = "SUCCEEDED",
            timeout: float = 180) -> Run:
        """create, trigger, wait."""
        self.create(script, *create, top=top)
        run = self.trigger(script, *args, top=top)
        run.wait(expect, timeout)
        return run

    def kfp(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """One call of the KFP API, as the kfp client makes it."""
        return self.http(method, self.environment["METAFLOW_KUBEFLOW_PIPELINES_URL"].rstrip("/") + "/apis/v2beta1" + path, body)

    def http(self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
        token = pathlib.Path(self.environment["KF_PIPELINES_SA_TOKEN_PATH"]).read_text().strip()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method, headers={
            "Authorization": f"Bearer {token}", "Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {url}: {error.code} {error.read().decode(errors='replace')}") from None


def flow_name(script: pathlib.Path) -> str:
    """The flow's class name, from the text alone."""
    for line in script.read_text().splitlines():
        if line.startswith("class ") and "FlowSpec" in line:
            return line.removeprefix("class ").partition("(")[0]
    raise AssertionError(f"no FlowSpec in {script}")


def parse_exports(text: str) -> dict[str, str]:
    """The variables of `driver dev env`, read as a shell reads them."""
    found = {}
    for word in shlex.split(text, comments=True):
        name, equals, value = word.partition("=")
        if equals:
            found[name] = value
    return found
