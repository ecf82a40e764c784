"""Tasks that go on when a file of theirs appears: `start`, then each split. Every execution leaves a line."""

import pathlib
import time

from metaflow import FlowSpec, Parameter, step


class HeldFlow(FlowSpec):
    folder = Parameter("folder", required=True)

    @step
    def start(self):
        self.hold("start")
        self.splits = ["a", "b"]
        self.next(self.work, foreach="splits")

    @step
    def work(self):
        if self.hold(self.input) == "fail":
            raise RuntimeError(f"{self.input} was told to fail")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

    def hold(self, name):
        """Waits for the file and returns what is in it."""
        folder = pathlib.Path(self.folder)
        with (folder / "executions").open("a") as f:
            f.write(name + "\n")
        while not (folder / name).exists():
            time.sleep(0.1)
        return (folder / name).read_text()


if __name__ == "__main__":
    HeldFlow()
