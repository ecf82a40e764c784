"""Named places in driver and launcher where a test build dies, stalls or
fails; see internal/failpoint."""

import collections
import pathlib
import re

from .paths import ROOT


def names(program: str) -> list[str]:
    """Every place of a program, read from the one list there is."""
    text = (ROOT / "internal" / "failpoint" / "names.go").read_text()
    return re.findall(rf'Name = "({program}/[a-z-]+)"', text)


class Log:
    """What was hit: "name action pid" per line."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    def hits(self) -> collections.Counter:
        return collections.Counter(line.split()[0] for line in self._lines())

    def actions(self) -> collections.Counter:
        """Hits at which something was done, as (name, action)."""
        return collections.Counter((name, action) for name, action, _ in map(str.split, self._lines()) if action != "-")

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


def pod_environment(rules: list[str], log: pathlib.Path, seed: int) -> str:
    """MILLRACE_POD_ENV: variables separated by commas, so those that hold a comma are quoted as in CSV."""
    variables = {"MILLRACE_FAILPOINTS": ",".join(rules), "MILLRACE_FAILPOINT_LOG": str(log), "MILLRACE_FAILPOINT_SEED": str(seed)}
    return ",".join(f'"{name}={value}"' for name, value in variables.items())
