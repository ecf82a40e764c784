"""The main job, once, on this machine: start a laptop stack, deploy and trigger
an example with a data scientist's commands, kill one launcher on the way, read
the result with the stock Metaflow client, stop everything.

`make demo` makes what this needs and runs it. State stays in .dev/demo.
"""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
DRIVER = ROOT / "bin" / "driver"
PYTHON = ROOT / ".venv" / "bin" / "python"
CLIENT = ROOT / ".venv-client" / "bin" / "python"
HOME = ROOT / ".dev" / "demo"
FLOW = ROOT / "examples" / "wordcount"
WORKERS, DEADLINE = 3, 180

READ = """
import sys
from metaflow import Run, namespace
namespace(None)
run = Run(sys.argv[1])
assert run.successful, "the run did not succeed"
print("words of each file:", run["join"].task.data.words_of)
print("commonest words:   ", run.data.commonest)
again = [task for task in run["count"] if task.current_attempt]
assert again, "no task was cut off"
for task in again:
    print(f"{task.pathspec} succeeded in attempt {task.current_attempt}; it said:", task.stdout.strip().splitlines()[-1])
"""


def say(text: str) -> None:
    print(f"\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"== {text}", flush=True)


def shell(environment: dict, *command: str, cwd: pathlib.Path = ROOT, quiet: bool = False) -> str:
    if not quiet:
        print("$", shlex.join(["python" if c == str(PYTHON) else c for c in command]), flush=True)
    done = subprocess.run(command, env=environment, cwd=cwd, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def start(environment: dict) -> tuple[subprocess.Popen, dict]:
    """Starts the laptop stack and returns it with the variables that point at it."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME.parent / "demo.log").open("wb") as log:
        # A session of its own: ctrl-C comes to us, and we end it in order.
        stack = subprocess.Popen([DRIVER, "dev", "--home", HOME, "--slots", str(WORKERS + 1)], env=environment, stdout=log, stderr=log, start_new_session=True)
    exports = shell(environment, str(DRIVER), "dev", "env", "--home", str(HOME), "--wait", quiet=True)
    variables = dict(word.partition("=")[::2] for word in shlex.split(exports) if "=" in word)
    return stack, environment | variables


def working(step: str) -> dict[int, int]:
    """The tasks of a step that run, and the launcher of each, by their command lines."""
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,ppid=,args="], stdout=subprocess.PIPE, text=True, check=True).stdout
    fields = [line.split(None, 2) for line in listing.splitlines()]
    processes = [(int(line[0]), int(line[1]), line[2]) for line in fields if len(line) == 3]
    ours = {pid for pid, _, args in processes if f" run --step {step} " in args and str(HOME) in args}
    return {pid: parent for pid, parent, args in processes if parent in ours and f" step {step} " in args}


def follow(environment: dict, run_id: str) -> None:
    """Shows progress until the run ends, and kills one launcher in the middle of its work."""
    shown, killed, seen, deadline = "", None, set(), time.monotonic() + DEADLINE
    while True:
        status = json.loads(shell(environment, str(DRIVER), "status", "--run-id", run_id, "--json", quiet=True))
        pools = {p["pool"]: p for p in status.get("pools") or []}
        line = "  ".join(f"{name} {p.get('succeeded', 0)}/{p.get('tasks', 0)}" for name, p in pools.items())
        if line != shown:
            shown = line
            print("  ", line, flush=True)
        tasks = working("count") if killed is None else {}
        # A task that has only just begun is certain to be cut off in the middle.
        if pools.get("count", {}).get("succeeded", 0) >= 1 and (begun := tasks.keys() - seen):
            killed = tasks[min(begun)]
            os.kill(killed, signal.SIGKILL)
            say(f"killed launcher {killed} (SIGKILL); its task goes to another")
        seen |= tasks.keys()
        if status["kfp_state"] in ("SUCCEEDED", "FAILED", "CANCELED"):
            if status["kfp_state"] != "SUCCEEDED" or killed is None:
                raise SystemExit(f"the run ended {status['kfp_state']}: {status.get('reason', '')}" if killed else "no launcher was killed")
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"the run did not end within {DEADLINE} s; log: {HOME.parent / 'demo.log'}")
        time.sleep(0.3)


def main() -> None:
    # Only what a shell has: no setting of the caller's Metaflow.
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW_", "MILLRACE_", "KFP_", "KF_PIPELINES_", "AWS_"))}
    plain |= {"METAFLOW_HOME": str(HOME / "metaflow"), "METAFLOW_CLIENT_CACHE_PATH": str(HOME / "client"),
              "METAFLOW_USER": os.environ.get("USER", "demo"), "MILLRACE_DRIVER_BIN": str(DRIVER)}
    say("starting the laptop stack: driver dev --home .dev/demo")
    stack, environment = start(plain)
    try:
        say("deploying and triggering a flow")
        flow = [str(PYTHON), "wordcount.py", "--no-pylint"]
        shell(environment, *flow, "--package-suffixes", ".py,.txt", "kubeflow-pipelines", "create", "--max-workers", str(WORKERS), cwd=FLOW)
        file = HOME / "run-id"
        shell(environment, *flow, "kubeflow-pipelines", "trigger", "--pause", "2", "--run-id-file", str(file), cwd=FLOW)
        run_id = file.read_text().strip().rpartition("/")[2]
        say(f"run {run_id}")
        follow(environment, run_id)
        say("reading the result with the stock client, from a virtualenv that knows nothing of us")
        print(shell(environment, str(CLIENT), "-c", READ, f"WordCountFlow/{run_id}", quiet=True), end="")
    finally:
        say("stopping everything")
        stack.send_signal(signal.SIGINT)
        stack.wait(60)
    say("done")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
