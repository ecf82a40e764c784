"""What a task costs beside the user's code: the script Metaflow's own pods run,
against the launcher. Both run tasks of one flow from one code package on one
S3 server and metadata service; what they install in a pod is installed already.

    .venv/bin/python bench/task.py [--width 12] [--rounds 3]
"""

import argparse
import ctypes
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "test"))

from harness.paths import PYTHON  # noqa: E402
from harness.processes import until  # noqa: E402
from harness.s3 import S3Server  # noqa: E402
from harness.stack import Run, Stack  # noqa: E402

FLOW = HERE / "task_flow.py"
OTHERS = 4  # _parameters, start, join, end

# The command of a pod as Metaflow makes it for Kubernetes; KFP's and Argo's
# are the same but for the names of variables.
COMMAND = """
import json, sys
from types import SimpleNamespace
from metaflow.metaflow_environment import MetaflowEnvironment
from metaflow.plugins.kubernetes.kubernetes import Kubernetes
a = json.load(sys.stdin)
k = Kubernetes(SimpleNamespace(TYPE="s3"), None, MetaflowEnvironment(None))
print(json.dumps(k._command(a["flow"], a["run"], "work", a["task"], "0", a["metadata"], a["url"], [a["step"]])))
"""


def interpreter(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """An interpreter with the packages of .venv that notes each of its starts."""
    venv, started = folder / "venv", folder / "started"
    subprocess.run([str(PYTHON), "-m", "venv", "--without-pip", str(venv)], check=True)
    packages, = PYTHON.parents[1].glob("lib/python*/site-packages")
    mine, = venv.glob("lib/python*/site-packages")
    started.touch()
    # Read once for lib and once for lib64.
    note = f"os.write(os.open({str(started)!r}, os.O_WRONLY | os.O_APPEND), (sys.orig_argv[1] + chr(10)).encode())"
    (mine / "bench.pth").write_text(f"{packages}\nimport os, sys; hasattr(sys, 'noted') or (setattr(sys, 'noted', 1), {note})\n")
    return venv / "bin" / "python", started


def pods_cpu(pid: int) -> float:
    """CPU seconds of the pods that the stack's process has seen the end of."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, folder: pathlib.Path, width: int):
        self.folder, self.width = folder, width
        self.python, self.started = interpreter(folder)
        self.s3 = S3Server(folder / "s3")
        self.stack = Stack(folder / "stack", slots=1, s3=self.s3)

    def start(self) -> None:
        self.stack.start()
        self.flow("create", "--max-workers", "1")

    def flow(self, *args: str) -> None:
        self.stack.command([str(self.python), str(FLOW), "--no-pylint", "kubeflow-pipelines", *args], cwd=FLOW.parent)

    def starts(self) -> int:
        """Interpreters started so far: not those of the commands typed here, nor
        those that fetch the launcher, once per pod (their time does count)."""
        return sum(first not in ("-I", str(FLOW)) for first in self.started.read_text().splitlines())

    def ours(self) -> tuple[float, float, float]:
        """A whole run, gates and all, per task."""
        file = self.folder / "run"
        cpu, starts = pods_cpu(self.stack.process.pid), self.starts()
        self.flow("trigger", "--run-id-file", str(file), "--width", str(self.width))
        self.run = Run(self.stack, "TaskFlow", file.read_text().strip().rpartition("/")[2])
        began = time.time()
        self.run.wait("SUCCEEDED", timeout=600)
        tasks = self.width + OTHERS
        return (time.time() - began) / tasks, (pods_cpu(self.stack.process.pid) - cpu) / tasks, (self.starts() - starts) / tasks

    def script(self, task: str) -> list[str]:
        root = self.folder / "s3" / "data" / "flows" / "metaflow" / "TaskFlow" / self.run.id / "start"
        begin, = root.glob("*/0.task_begin")
        package = json.loads(begin.read_text())
        step = (f"python -u {FLOW.name} --quiet --metadata=service --environment=local --datastore=s3 --datastore-root={self.s3.root} "
                f"--event-logger=nullSidecarLogger --monitor=nullSidecarMonitor --no-pylint --with=kubernetes "
                f"step work --run-id={self.run.id} --task-id={task} --split-index=0 --input-paths={self.run.id}/start/{begin.parent.name} "
                f"--retry-count=0 --max-user-code-retries=0")
        asked = {"flow": "TaskFlow", "run": self.run.id, "task": task, "step": step,
                 "metadata": package["code_package_metadata"] or None, "url": package["code_package_url"]}
        made = subprocess.run([str(PYTHON), "-c", COMMAND], input=json.dumps(asked), env=self.stack.environment, capture_output=True, text=True, check=True)
        return json.loads(made.stdout)

    def stock(self, task: str) -> tuple[float, float, float]:
        """One task by Metaflow's script."""
        command, work = self.script(task), self.folder / task
        work.mkdir()
        environment = {**self.stack.environment, **self.s3.credentials, "PATH": f"{self.python.parent}:{os.environ['PATH']}", "HOME": str(work),
                       "METAFLOW_SKIP_INSTALL_DEPENDENCIES": "1", "METAFLOW_KUBERNETES_WORKLOAD": "1", "METAFLOW_DEFAULT_DATASTORE": "s3",
                       "METAFLOW_DATASTORE_SYSROOT_S3": self.s3.root, "METAFLOW_S3_ENDPOINT_URL": self.s3.endpoint,
                       "METAFLOW_RUNTIME_ENVIRONMENT": "kubernetes", "METAFLOW_DEFAULT_METADATA": "service",
                       **{f"METAFLOW_KUBERNETES_{n}": "bench" for n in ("POD_NAME", "POD_NAMESPACE", "POD_ID", "SERVICE_ACCOUNT_NAME", "NODE_IP")}}
        starts, before, began = self.starts(), resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
        with (work / "log").open("wb") as log:
            code = subprocess.run(command, cwd=work, env=environment, stdout=log, stderr=subprocess.STDOUT).returncode
        took = time.time() - began
        if code != 0:
            raise SystemExit(f"Metaflow's script: exit {code}\n{(work / 'log').read_text()}")
        # Its sidecars outlive it here; a pod ends with it.
        until("the sidecars to end", self.reap, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return took, cpu, self.starts() - starts

    def reap(self) -> bool:
        """Whether all that is left are the servers."""
        servers = {self.s3.process.pid, self.stack.process.pid}
        children = pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        for pid in {int(c) for c in children} - servers:
            os.waitpid(pid, os.WNOHANG)
        children = pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        return {int(c) for c in children} <= servers

    def stop(self) -> None:
        self.stack.stop()
        self.s3.stop()


def table(stock: list, ours: list) -> str:
    lines = [f"{'per task':<22}{'Metaflow':>10}{'ours':>10}{'ratio':>8}  asked"]
    for i, (name, asked) in enumerate((("wall s", ""), ("CPU s", ">= 5"), ("interpreters", "1 of ours"))):
        a, b = (statistics.median(x[i] for x in side) for side in (stock, ours))
        lines.append(f"{name:<22}{a:>10.2f}{b:>10.2f}{a / b:>8.1f}  {asked}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=12, help="tasks of the foreach")
    parser.add_argument("--rounds", type=int, default=3, help="times either is run; the median counts")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: sidecars count too
    stock, ours = [], []
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as folder:
        bench = Bench(pathlib.Path(folder), options.width)
        try:
            bench.start()
            for n in range(options.rounds):
                ours.append(bench.ours())
                stock.append(bench.stock(f"stock-{n}"))
        finally:
            bench.stop()
    print(table(stock, ours))


if __name__ == "__main__":
    main()
