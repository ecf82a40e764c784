"""Splits that leave a mess, each looking for that of the one before. One
worker runs them all, one after the other."""

import os
import pathlib
import subprocess
import tempfile

from metaflow import FlowSpec, Parameter, step


def daemons(mark):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid()]


class DirtyFlow(FlowSpec):
    mark = Parameter("mark", required=True)

    @step
    def start(self):
        self.splits = [0, 1, 2]
        self.next(self.work, foreach="splits")

    @step
    def work(self):
        here, temporary = pathlib.Path("left-behind"), pathlib.Path(tempfile.gettempdir()) / "left-behind"
        self.found = [str(p) for p in (here, temporary) if p.exists()]
        self.found += daemons(self.mark)
        self.found += [name for name in os.environ if name == "LEFT_BEHIND"]
        here.write_text("x")
        temporary.write_text("x")
        os.environ["LEFT_BEHIND"] = "x"
        # Twice forked and in a session of its own, as daemons are, holding our stdout open.
        subprocess.Popen(["sh", "-c", f"(exec setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' {self.mark}) &"])
        self.next(self.join)

    @step
    def join(self, inputs):
        self.found = [part.found for part in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    DirtyFlow()
