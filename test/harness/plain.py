"""What plain runs come to, each made once for all tests and their processes."""

import fcntl
import hashlib
import json
import pathlib
from typing import Any

from . import client
from .environment import user_environment


class PlainRuns:
    """Plain runs on files. What the client reads of one does not depend on the store that another run is on."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def __call__(self, script: pathlib.Path, *args: str) -> dict[str, Any]:
        # Of one flow at a time: members of a plain gang share a port.
        with (self.folder / f"{script.stem}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = self.folder / f"{script.stem}-{hashlib.sha1(json.dumps(args).encode()).hexdigest()[:8]}"
            dump = folder / "dump.json"
            if not dump.exists():
                dump.write_text(json.dumps(client.plain_run_as(user_environment(folder / "user"), script, folder, *args)))
            return json.loads(dump.read_text())


def without_words_of_gangs(*dumps: dict[str, Any], step: str) -> None:
    """Leaves out the logs of a gang's members: a plain run gives the first member the words of all."""
    for dump in dumps:
        for member in dump["steps"][step]:
            member["logs"] = []
