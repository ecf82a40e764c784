"""A foreach of any width whose splits do nothing much."""

import time

from metaflow import FlowSpec, Parameter, step


class WideFlow(FlowSpec):
    width = Parameter("width", type=int, default=3)
    pause = Parameter("pause", type=float, default=0.0)

    @step
    def start(self):
        self.splits = list(range(self.width))
        self.next(self.work, foreach="splits")

    @step
    def work(self):
        self.square = self.input**2
        time.sleep(self.pause)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.squares = [part.square for part in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.squares)


if __name__ == "__main__":
    WideFlow()
