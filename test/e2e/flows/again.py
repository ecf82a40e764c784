"""A loop and then a gang, each of which fails until a file appears; every execution leaves a line."""

import pathlib
import time

from metaflow import FlowSpec, Parameter, current, parallel, step


class AgainFlow(FlowSpec):
    folder = Parameter("folder", required=True)

    @step
    def start(self):
        self.note("start")
        self.turns = 0
        self.next(self.turn)

    @step
    def turn(self):
        self.note(f"turn {self.turns}")
        if self.turns == 1:
            self.need("loop mended")
        self.turns += 1
        self.way = "on" if self.turns == 3 else "again"
        self.next({"again": self.turn, "on": self.spread}, condition="way")

    @step
    def spread(self):
        self.note("spread")
        self.next(self.member, num_parallel=2)

    @parallel
    @step
    def member(self):
        self.rank = current.parallel.node_index
        self.note(f"member {self.rank}")
        while self.rank == 1 and "member 0\n" not in self.notes().read_text():
            time.sleep(0.1)  # or it would be told to end before it was there
        if self.rank == 1:
            self.need("gang mended")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.note("join")
        self.ranks = [member.rank for member in inputs]
        self.merge_artifacts(inputs, exclude=["rank"])
        self.next(self.end)

    @step
    def end(self):
        self.note("end")

    def need(self, name):
        if not (pathlib.Path(self.folder) / name).exists():
            raise RuntimeError(f"no file {name}")

    def notes(self):
        return pathlib.Path(self.folder) / "executions"

    def note(self, text):
        with self.notes().open("a") as f:
            f.write(text + "\n")


if __name__ == "__main__":
    AgainFlow()
