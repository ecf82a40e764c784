"""Processes: waiting for a condition with a deadline, finding what is left."""

import os
import pathlib
import time
from collections.abc import Callable
from typing import Any


def until(what: str, probe: Callable[[], Any], timeout: float = 60.0, every: float = 0.1) -> Any:
    """Returns the first true answer of `probe`; fails loudly at the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:.0f} s; last answer {answer!r}")
        time.sleep(every)


def mentioning(text: str) -> dict[int, str]:
    """The processes whose command line, folder or environment holds `text`, but not this one's ancestors."""
    ours = _ancestors()
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in ours:
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            environment = (entry / "environ").read_bytes().decode(errors="replace")
            folder = os.readlink(entry / "cwd")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue  # it ended while being looked at, or is another user's
        if state != "Z" and (text in command or text in environment or folder.startswith(text)):
            found[int(entry.name)] = command
    return found


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid > 1:
        found.add(pid)
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found
