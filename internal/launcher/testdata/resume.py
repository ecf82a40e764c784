"""A split that fails while a file is missing; every execution leaves a line."""

import pathlib

from metaflow import FlowSpec, Parameter, current, step


class ResumeFlow(FlowSpec):
    folder = Parameter("folder", required=True)

    @step
    def start(self):
        self.note("start")
        self.splits = ["a", "b"]
        self.next(self.work, foreach="splits")

    @step
    def work(self):
        self.note(self.input)
        self.letter = self.input
        if self.input == "b" and not (pathlib.Path(self.folder) / "mended").exists():
            raise RuntimeError("not mended yet")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.note("join")
        self.letters = [part.letter for part in inputs]
        self.origin = current.origin_run_id
        self.next(self.end)

    @step
    def end(self):
        pass

    def note(self, text):
        with (pathlib.Path(self.folder) / "executions").open("a") as f:
            f.write(text + "\n")


if __name__ == "__main__":
    ResumeFlow()
