"""The pods of a laptop stack, and what a cluster can do to one.

The routes are those of `driver dev --pod-proxy`, beside the KFP API:

    GET  /dev/pods?run_id=R     {"pods": [{"uid", "name", "task", "state", "pid", "retry_index"}]}
    POST /dev/pods/UID:fail     the container is ended, as by an eviction: the pod fails
    POST /dev/pods/UID:vanish   the object goes before anybody saw an end; {"leave_process": true}: its processes live on
    POST /dev/pods/UID:cut      its way to the driver is closed, for good
"""

import dataclasses
import os
import pathlib
import signal

from .stack import Run


@dataclasses.dataclass
class Pod:
    run: Run
    uid: str
    name: str
    task: str
    # pid is that of what supervises the container, 0 while Pending.
    pid: int

    def fail(self) -> bool:
        return self._do("fail")

    def vanish(self, *, leave_process: bool = False) -> bool:
        return self._do("vanish", {"leave_process": leave_process})

    def cut(self) -> bool:
        return self._do("cut")

    def _do(self, what: str, body: dict | None = None) -> bool:
        stack = self.run.stack
        try:
            stack.http("POST", f"{stack.environment['METAFLOW_KUBEFLOW_PIPELINES_URL'].rstrip('/')}/dev/pods/{self.uid}:{what}", body or {})
        except AssertionError as error:
            # It may have ended since it was listed.
            if " 404 " in str(error) or " 409 " in str(error):
                return False
            raise
        return True

    def launcher(self) -> int | None:
        """The pid of the launcher in the container, once it has been fetched."""
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and _parent(entry) == self.pid and b"launcher\0" in (entry / "cmdline").read_bytes()[:200]:
                    return int(entry.name)
            except OSError:
                continue  # it ended while being looked at
        return None

    def kill_launcher(self) -> bool:
        return kill(self.launcher())

    def child(self) -> "Child | None":
        """The task's Python in the container, while there is one."""
        launcher = self.launcher()
        for entry in pathlib.Path("/proc").iterdir() if launcher else ():
            try:
                if entry.name.isdigit() and _parent(entry) == launcher:
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    task = next(word for word in words if word.startswith("--task-id="))
                    return Child(int(entry.name), words[words.index("step") + 1], task.partition("=")[2])
            except (OSError, ValueError, StopIteration):
                continue  # it ended while being looked at, or is something else
        return None


@dataclasses.dataclass
class Child:
    pid: int
    step: str
    task: str


def kill(pid: int | None) -> bool:
    """Whether there was such a process."""
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def running(run: Run, task: str | None = None) -> list[Pod]:
    """The running pods of the run, or those of one task by its display name."""
    stack = run.stack
    url = f"{stack.environment['METAFLOW_KUBEFLOW_PIPELINES_URL'].rstrip('/')}/dev/pods?run_id={run.kfp_id}"
    found = stack.http("GET", url).get("pods") or []
    return [Pod(run, p["uid"], p["name"], p["task"], p.get("pid", 0)) for p in found if task in (None, p["task"]) and p["state"] == "RUNNING"]


def _parent(entry: pathlib.Path) -> int:
    return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
