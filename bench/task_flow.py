"""Short tasks: what they cost is what it costs to run a task at all."""

from metaflow import FlowSpec, Parameter, step


class TaskFlow(FlowSpec):
    width = Parameter("width", default=10)

    @step
    def start(self):
        self.xs = list(range(self.width))
        self.next(self.work, foreach="xs")

    @step
    def work(self):
        self.y = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(i.y for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        print(self.total)


if __name__ == "__main__":
    TaskFlow()
