"""Prints all that the stock client knows of runs, as JSON.

Runs in a virtualenv that has Metaflow and nothing of ours. Each line of the
standard input names a run, Flow/run, and is answered by one line: the run, or
{"error": text}.
"""

import json
import sys
import traceback

from metaflow import Run, metaflow_version, namespace
from metaflow.exception import MetaflowExceptionWrapper
from metaflow.includefile import IncludedFile
from metaflow.tuple_util import ForeachFrame  # pickled as __main__.ForeachFrame


class Included:
    """What a file of IncludeFile holds, apart from where it is stored."""

    def __init__(self, content, size):
        self.content, self.size = content, size


def shown(value):
    """A value as text that is equal when the values are."""
    if isinstance(value, dict):
        return {"dict": sorted(([shown(k), shown(v)] for k, v in value.items()), key=repr)}
    if isinstance(value, ForeachFrame):
        return {"frame": [shown(part) for part in value]}
    if isinstance(value, MetaflowExceptionWrapper):
        return {"exception": exception(value)}  # its traceback names files
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [shown(part) for part in value]}
    if type(value).__repr__ is object.__repr__:
        return {type(value).__name__: shown(vars(value))}  # the text would be its address
    return {type(value).__name__: repr(value)}


def exception(value):
    """Its type and words, without the frames of a traceback that @timeout adds to them."""
    if value is None:
        return None
    words = str(getattr(value, "exception", value)).splitlines()
    return [getattr(value, "type", type(value).__name__), "\n".join(line for line in words if not line.startswith(">   "))]


def artifact(item):
    if item.id == "_exception":
        return exception(item.data)
    if item.id == "_graph_info":
        return None  # holds the flow file's path and the list of extensions
    return shown(item.data)


def artifacts(t):
    """Those that start with _ too, which iteration hides."""
    rows = t._metaflow.metadata.get_object("task", "artifact", {}, t._attempt, *t.path_components)
    items = [t[row["name"]] for row in rows]
    return {item.id: {"sha": item.sha, "value": artifact(item)} for item in items}


def parents(t):
    """The tasks before this one. The client finds them by an artifact, which a task that left none lacks."""
    if t.path_components[2] == "_parameters" or "_graph_info" not in t:
        return []
    return sorted(p.path_components[2] + "/" + p.path_components[3] for p in t.parent_tasks)


def graph(r):
    """The flow's graph as its first task recorded it, without the files' names."""
    info = r["_parameters"].task["_graph_info"].data
    kept = ("type", "next", "matching_join", "foreach_artifact", "num_parallel", "condition")
    return {
        "start": info.get("start_step", "start"), "end": info.get("end_step", "end"),
        "steps": {name: {k: step[k] for k in kept if step.get(k)} | {"decorators": sorted(d["name"] for d in step["decorators"])}
                  for name, step in info["steps"].items()},
    }


def where(t, path):
    """The task's place: its index in each foreach around it, and of which iteration of a loop it is.

    An attempt that left no artifacts has the indices by its metadata, as step:index,...
    """
    if "_foreach_stack" not in t or "_iteration_stack" not in t:
        return {"indices": [int(part.rpartition(":")[2]) for part in path.split(",") if part], "iterations": []}
    return {"indices": [frame.index for frame in t["_foreach_stack"].data], "iterations": t["_iteration_stack"].data}


def task(t):
    metadata = {}
    for row in sorted(t.metadata, key=lambda row: row.created_at):
        metadata.setdefault(row.name, row.value)
    last = max((int(row.value) for row in t.metadata if row.name == "attempt"), default=0)
    return {
        "id": t.id,
        "path": metadata.get("foreach-execution-path", ""),
        **where(t, metadata.get("foreach-execution-path", "")),
        "stack": metadata.get("foreach-stack"),
        "metadata": sorted({row.name for row in t.metadata}),
        "artifacts": artifacts(t),
        "finished": t.finished,
        "successful": t.successful,
        "exception": exception(t.exception),
        "attempt": t.current_attempt,
        "parents": parents(t),
        "logs": [{"stdout": attempt.stdout, "stderr": attempt.stderr} for attempt in (type(t)(t.pathspec, attempt=n) for n in range(last + 1))],
        "tags": sorted(t.user_tags),
    }


def run(pathspec):
    r = Run(pathspec)
    return {
        "client": metaflow_version.get_version(),
        "id": r.id,
        "finished": r.finished,
        "successful": r.successful,
        "tags": sorted(r.user_tags),
        "system_tags": sorted(r.system_tags),
        "end": None if r.end_task is None else r.end_task.pathspec.split("/", 2)[2],
        "graph": graph(r),
        "steps": {s.id: [task(t) for t in s] for s in [*r.steps(), r["_parameters"]]},
    }


def main():
    namespace(None)
    decode = IncludedFile.decode
    IncludedFile.decode = lambda self, *args, **kwargs: Included(decode(self, *args, **kwargs), self.size)
    for line in sys.stdin:
        try:
            answer = run(line.strip())
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
