"""Steps and a foreach variable named like our own parts and KFP's."""

from metaflow import FlowSpec, step


class NamesFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.flow)

    @step
    def flow(self):
        self.workers = ["a", "b", "c"]
        self.next(self.verify, foreach="workers")

    @step
    def verify(self):
        self.letter = self.input
        self.next(self.run)

    @step
    def run(self):
        self.doubled = self.letter * 2
        self.next(self.gate_run)

    @step
    def gate_run(self, inputs):
        self.letters = [part.doubled for part in inputs]
        self.next(self.root)

    @step
    def root(self):
        self.next(self.step_start)

    @step
    def step_start(self):
        self.next(self.end)

    @step
    def end(self):
        print(self.letters)


if __name__ == "__main__":
    NamesFlow()
