"""Run by a step of another flow."""

from metaflow import FlowSpec, Parameter, step


class NestedFlow(FlowSpec):
    count = Parameter("count", type=int, default=2)

    @step
    def start(self):
        self.numbers = list(range(self.count))
        self.next(self.square, foreach="numbers")

    @step
    def square(self):
        self.squared = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.squares = [one.squared for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NestedFlow()
