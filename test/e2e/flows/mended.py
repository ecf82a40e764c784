"""A split that fails until a file appears, once the test has asked for it; every execution leaves a line."""

import pathlib
import time

from metaflow import FlowSpec, Parameter, step


class MendedFlow(FlowSpec):
    folder = Parameter("folder", required=True)

    @step
    def start(self):
        self.note("start")
        self.splits = [0, 1, 2]
        self.next(self.work, foreach="splits")

    @step
    def work(self):
        self.note(f"work {self.input}")
        self.n = self.input
        if self.input == 1 and not (pathlib.Path(self.folder) / "mended").exists():
            self.wait_for("broken")
            raise RuntimeError("not mended yet")
        self.next(self.after)

    @step
    def after(self):
        self.note(f"after {self.n}")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.note("join")
        self.ns = [part.n for part in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.note("end")

    def wait_for(self, name):
        while not (pathlib.Path(self.folder) / name).exists():
            time.sleep(0.1)

    def note(self, text):
        with (pathlib.Path(self.folder) / "executions").open("a") as f:
            f.write(text + "\n")


if __name__ == "__main__":
    MendedFlow()
