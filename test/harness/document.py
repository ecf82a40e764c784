"""docs/proof.md: what long runs of the tests came to, with the command, the day and the machine."""

import datetime
import os
import platform
import subprocess

from .paths import ROOT

PROOF = ROOT / "docs" / "proof.md"


def replace(name: str, text: str) -> None:
    """Puts the text between the marks of that name."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, _, rest = PROOF.read_text().partition(begin)
    _, _, after = rest.partition(end)
    assert after, f"{PROOF} has no {begin.strip()} with its end"
    PROOF.write_text(before + begin + text + end + after)


def circumstances() -> str:
    """The day, the revision and the machine."""
    revision = git("describe", "--always") + (" with changes" if git("status", "--porcelain", "cmd", "internal", "python", "test") else "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{datetime.date.today()}, revision {revision}, {machine}"


def git(*args: str) -> str:
    return subprocess.run(["git", *args], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
