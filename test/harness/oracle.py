"""What Metaflow's own runtime makes of a flow, kept, and what differs from it."""

import hashlib
import json
import pathlib
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

from . import client
from .environment import user_environment
from .flowgen import Flow
from .paths import PYTHON
from .stack import flow_name

LONGEST = 300


class Oracle:
    """Plain runs on files: `python flow.py run`. Results are kept by the flow's text."""

    def __init__(self, folder: pathlib.Path, *kept: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.kept = folder, kept
        self.environment = user_environment(folder / "user") | {
            "METAFLOW_DEFAULT_DATASTORE": "local", "METAFLOW_DEFAULT_METADATA": "local", "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder)}
        self.lock = threading.Lock()
        self.reader: client.Reader | None = None

    def result(self, flow: Flow) -> dict[str, Any]:
        """The kept result, or that of a run now."""
        for folder in self.kept:
            file = folder / f"{flow.number}.json"
            if file.exists():
                found = json.loads(file.read_text())
                if found["flow"] == flow.digest:
                    return found["run"]
                if folder != self.kept[-1]:
                    print(f"{file} is of another flow than that number has today (make oracle)")
        result = self.run(flow)
        if self.kept:
            keep(result, flow, self.kept[-1])
        return result

    def run(self, flow: Flow) -> dict[str, Any]:
        file = flow.script.parent / "plain-run-id"
        done = subprocess.run([str(PYTHON), str(flow.script), "--no-pylint", "run", "--run-id-file", str(file)],
                              env=self.environment, cwd=flow.script.parent, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"a plain run of {flow} failed:\n{done.stdout[-8000:]}{done.stderr[-4000:]}"
        with self.lock:
            if self.reader is None:
                environment = {k: v for k, v in self.environment.items() if not k.startswith("MILLRACE_")}
                self.reader = client.Reader(environment, self.folder)
        return essence(self.reader.read(f"{flow_name(flow.script)}/{file.read_text().strip()}"))

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()


def keep(result: dict[str, Any], flow: Flow, folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tasks = ",\n".join(f"{json.dumps(place)}: {json.dumps(task, sort_keys=True)}" for place, task in sorted(result["tasks"].items()))
    rest = json.dumps({k: v for k, v in result.items() if k != "tasks"}, sort_keys=True)
    (folder / f"{flow.number}.json").write_text(f'{{"flow": "{flow.digest}", "run": {rest[:-1]}, "tasks": {{\n{tasks}}}}}}}\n')


def essence(dump: dict[str, Any]) -> dict[str, Any]:
    """What must be the same in every run of a flow, by places, small enough to keep."""
    run = client.normal(dump)
    for split in dump["graph"]["steps"].values():
        if split["type"] == "split-parallel":
            share_logs(run["steps"].get(split["next"][0], {}))
    return {
        "finished": run["finished"], "successful": run["successful"], "end": run["end"], "graph": dump["graph"],
        "tasks": {place: {
            "artifacts": {name: text(value) for name, value in task["artifacts"].items()},
            **{key: task[key] for key in ("stack", "finished", "successful", "exception", "attempt", "parents", "logs")},
        } for tasks in run["steps"].values() for place, task in tasks.items()},
    }


def share_logs(gangs: dict[str, dict[str, Any]]) -> None:
    """Gives each gang one log, that of its last attempt.

    In a plain run the control task starts the others and their lines are in its
    log. What the others of a gang still write when one has failed is up to chance.
    """
    lines: dict[str, dict[str, list[str]]] = {}
    for place, member in gangs.items():
        shared = lines.setdefault(place.rpartition(",")[0] or place.partition("[")[0], {"stdout": [], "stderr": []})
        for stream in shared:
            shared[stream] += member["logs"][-1][stream]
            shared[stream].sort()
        member["logs"] = [shared]


def text(value: Any) -> str:
    """A value as client_dump shows it, in few characters."""
    shown = _text(value)
    return shown if len(shown) <= LONGEST else f"{shown[:40]}... {hashlib.sha256(shown.encode()).hexdigest()}"


def _text(value: Any) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)  # _graph_info and _exception
    [(kind, inner)] = value.items()
    match kind:
        case "list" | "tuple" | "frame":
            return f"{kind}({', '.join(map(_text, inner))})"
        case "dict":
            return "{" + ", ".join(f"{_text(k)}: {_text(v)}" for k, v in inner) + "}"
        case "exception":
            return f"exception {json.dumps(inner)}"
        case "int" | "str" | "bool" | "float" | "NoneType":
            return inner
    return f"{kind} {inner if isinstance(inner, str) else _text(inner)}"


def differences(ours: dict[str, Any], plain: dict[str, Any], *, ignoring: tuple[str, ...] = ()) -> list[str]:
    """One line for each that the two results do not agree in."""
    return list(_differences("run", ours, plain, ignoring))


def _differences(place: str, a: Any, b: Any, ignoring: tuple[str, ...]) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            if key in ignoring:
                continue
            if key not in a or key not in b:
                yield f"{place}.{key}: only in {'ours' if key in a else 'the plain run'}: {str(a.get(key, b.get(key)))[:300]}"
            else:
                yield from _differences(f"{place}.{key}", a[key], b[key], ignoring)
    elif a != b:
        yield f"{place}: ours {str(a)[:400]} plain {str(b)[:400]}"
