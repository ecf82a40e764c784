"""Decisions that nothing can follow from."""

from metaflow import FlowSpec, Parameter, step


class WrongFlow(FlowSpec):
    how = Parameter("how", default="")

    @step
    def start(self):
        self.way = "no step" if self.how == "switch" else "work"
        self.next({"work": self.split, "rest": self.rest}, condition="way")

    @step
    def split(self):
        self.items = []
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.rest)

    @step
    def rest(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WrongFlow()
