"""The stock client, in a virtualenv that has nothing of ours, and comparing
what it reads of two runs."""

import json
import pathlib
import re
import subprocess
import threading
from typing import Any

from .paths import CLIENT_PYTHON
from .stack import Run, Stack, flow_name

HERE = pathlib.Path(__file__).parent

# System tags that name the orchestrator and the identity it runs under.
ORCHESTRATOR_TAGS = ("runtime:", "user:", "production:")
GANG_MEMBERS = "_control_mapper_tasks"
ORCHESTRATOR_LINES = re.compile(r"Task failed\.|Attempt \d+ failed \(\w+\): .*")


# What @catch and @timeout quote of a traceback, and the time that Metaflow puts before some of its own lines.
QUOTED_FRAME = re.compile(r"\s*(> *)*> {3,}")
TIMED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ")


def python(code: str, environment: dict[str, str], *args: str, cwd: pathlib.Path) -> str:
    """Runs a few lines in the client's virtualenv."""
    done = subprocess.run([str(CLIENT_PYTHON), "-c", code, *args], env=environment, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dump(pathspec: str, environment: dict[str, str], cwd: pathlib.Path) -> dict[str, Any]:
    with Reader(environment, cwd) as reader:
        return reader.read(pathspec)


class Reader:
    """A process of the client that reads one run after the other."""

    def __init__(self, environment: dict[str, str], cwd: pathlib.Path):
        self.lock = threading.Lock()
        self.process = subprocess.Popen([str(CLIENT_PYTHON), str(HERE / "client_dump.py")], env=environment, cwd=cwd, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, pathspec: str) -> dict[str, Any]:
        with self.lock:
            self.process.stdin.write(pathspec + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline() or '{"error": "the client\'s process has ended"}')
        assert "error" not in answer, f"the stock client could not read {pathspec}:\n{answer['error']}"
        return answer

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def read(run: Run) -> dict[str, Any]:
    """All that the client knows of a run on the stack."""
    return dump(run.pathspec, client_environment(run.stack), run.stack.folder)


def client_environment(stack: Stack) -> dict[str, str]:
    return {k: v for k, v in stack.environment.items() if not k.startswith("MILLRACE_")} | {"PATH": f"{CLIENT_PYTHON.parent}:/usr/bin:/bin"}


def plain_run(script: pathlib.Path, folder: pathlib.Path, stack: Stack, *args: str, top: tuple[str, ...] = (), check: bool = True) -> dict[str, Any]:
    """The same flow by Metaflow's own `run`, on files, and what the client knows of it."""
    return plain_run_as(stack.user, script, folder, *args, top=top, check=check)


def plain_run_as(user: dict[str, str], script: pathlib.Path, folder: pathlib.Path, *args: str, top: tuple[str, ...] = (), check: bool = True) -> dict[str, Any]:
    """plain_run of a user with that environment."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = on_files(folder, user)
    done, run_id = metaflow(environment, script, folder, "run", *args, top=top)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return dump(f"{flow_name(script)}/{run_id}", environment, folder)


def plain(script: pathlib.Path, folder: pathlib.Path, stack: Stack, command: str, *args: str,
          top: tuple[str, ...] = ()) -> tuple[subprocess.CompletedProcess, str]:
    """Metaflow's own `run` or `resume` on files, and the run's id."""
    return metaflow(on_files(folder, stack.user), script, folder, command, *args, top=top)


def metaflow(environment: dict[str, str], script: pathlib.Path, folder: pathlib.Path, command: str, *args: str,
             top: tuple[str, ...] = ()) -> tuple[subprocess.CompletedProcess, str]:
    """Metaflow's own `run` or `resume` with the user's Python, and the run's id."""
    file = folder / "run-id"
    done = subprocess.run(["python", str(script), "--no-pylint", *top, command, "--run-id-file", str(file), *args],
                          env=environment, cwd=folder, capture_output=True, text=True, timeout=300)
    return done, file.read_text().strip()


def on_files(folder: pathlib.Path, user: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in user.items() if not k.startswith(("MILLRACE_", "AWS_"))} | {
        "METAFLOW_DEFAULT_DATASTORE": "local", "METAFLOW_DEFAULT_METADATA": "local", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)}


def normal(run: dict[str, Any]) -> dict[str, Any]:
    """A run without what differs by workspace: ids, and the flow file's path
    in _graph_info. Tasks are named by their place in the graph."""
    place = {f"{step}/{t['id']}": place_of(step, t) for step, tasks in run["steps"].items() for t in tasks}
    steps = {}
    for step, tasks in run["steps"].items():
        steps[step] = {place[f"{step}/{t['id']}"]: {
            "stack": stack_list(t["stack"]),
            "artifacts": {n: by_place(n, a["value"], place) for n, a in t["artifacts"].items()},
            "shas": {n: a["sha"] for n, a in t["artifacts"].items() if not names_files(n, a)},
            "finished": t["finished"], "successful": t["successful"], "exception": t["exception"], "attempt": t["attempt"],
            "parents": sorted({place[p] for p in t["parents"]}),
            "logs": [{stream: lines(log[stream]) for stream in log} for log in t["logs"]],
            "tags": t["tags"],
        } for t in in_order(tasks)}
        assert len(steps[step]) == len({goes_on_as(t["id"]) for t in tasks}), f"two tasks of {step} at one place: {sorted(place)}"
    return {
        "finished": run["finished"], "successful": run["successful"], "tags": run["tags"],
        "end": place[run["end"]] if run["end"] else None,
        "system_tags": [t for t in run["system_tags"] if not t.startswith(ORCHESTRATOR_TAGS)],
        "steps": steps,
    }


def place_of(step: str, task: dict[str, Any]) -> str:
    """A task's place, which is the same in every run: step[index in each foreach around it], and (iteration) in a loop."""
    place = f"{step}[{','.join(map(str, task['indices']))}]"
    return f"{place}({','.join(map(str, task['iterations']))})" if task["iterations"] else place


def by_place(name: str, value: Any, place: dict[str, str]) -> Any:
    """An artifact's value; where it names tasks (run/step/id), their places."""
    if name != GANG_MEMBERS:
        return value
    return [place[json.loads(member["str"].replace("'", '"')).partition("/")[2]] for member in value["list"]]


def names_files(name: str, artifact: dict[str, Any]) -> bool:
    """Whether an artifact's bytes differ by the run: by where the flow's file or an included one is, or by its tasks' ids."""
    value = artifact["value"]
    return name in ("_graph_info", "_exception", GANG_MEMBERS) or (isinstance(value, dict) and bool({"exception", "Included"} & value.keys()))


CONTINUATION = re.compile(r"-i(\d+)$")


def goes_on_as(task: str) -> str:
    """A task whose attempt numbers were used up goes on under its id with -i1, -i2, ..."""
    return CONTINUATION.sub("", task)


def in_order(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last continuation of a task comes last: what it says counts."""
    return sorted(tasks, key=lambda t: int(m[1]) if (m := CONTINUATION.search(t["id"])) else 0)


def stack_list(value: str | list[str] | None) -> list[str] | None:
    """A foreach stack: the service, unlike files, keeps a list as the text of an array."""
    return value[1:-1].split(",") if isinstance(value, str) else value


def frames(stack: str | list[str] | None) -> list[str] | None:
    """The foreach stack; the metadata service keeps a list as PostgreSQL writes an array."""
    if not isinstance(stack, str) or not stack.startswith("{"):
        return stack
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)', stack)
    return [re.sub(r"\\(.)", r"\1", a) if a else b for a, b in quoted]


def lines(log: str) -> list[str]:
    """A log without the frames of its tracebacks, which name files, and the orchestrator's word on a failure."""
    if log == "\n":
        return []  # what the client makes of a task of the native runtime that registered no log
    kept, inside = [], False
    for line in log.splitlines():
        if inside and line.startswith(" "):
            continue
        inside = line.startswith("Traceback (")
        if not ORCHESTRATOR_LINES.fullmatch(line) and not QUOTED_FRAME.match(line):
            kept.append(TIMED.sub("", line))
    return kept


def same(ours: dict[str, Any], plain: dict[str, Any]) -> None:
    """Asserts that two dumps agree in everything that should."""
    differences = list(_differences("run", normal(ours), normal(plain)))
    assert not differences, "the run differs from a plain one:\n" + "\n".join(differences[:40])


def _differences(place: str, a: Any, b: Any):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            if key not in a or key not in b:
                yield f"{place}.{key}: only in {'ours' if key in a else 'plain'}: {str(a.get(key, b.get(key)))[:300]}"
            else:
                yield from _differences(f"{place}.{key}", a[key], b[key])
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _differences(f"{place}[{i}]", one, other)
    elif a != b:
        yield f"{place}: ours {str(a)[:400]} plain {str(b)[:400]}"
