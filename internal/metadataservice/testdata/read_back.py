"""Reads ForFlow's run with the stock client and prints what it saw."""
import json

from metaflow import Flow, namespace

namespace(None)
run = Flow("ForFlow").latest_run
run.add_tag("later")
start = next(iter(run["start"]))
tasks = list(run["work"])
print(
    json.dumps(
        {
            "successful": run.successful,
            "finished": run.finished,
            "total": run.data.total,
            "tagged": "mine" in run.user_tags,
            "added": "later" in Flow("ForFlow").latest_run.user_tags,
            "children": len(list(start.child_tasks)),
            "logged": all("working on" in t.stdout for t in tasks),
            "tasks": len(tasks),
        }
    )
)
