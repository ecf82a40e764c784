"""Recursion: a step that follows itself until its result is good enough.

    python newton.py kubeflow-pipelines create
    python newton.py kubeflow-pipelines trigger --numbers '[2, 9, 1000]'

Square roots by Newton's method, one loop per number. Every iteration is a
task with artifacts and a log of its own; one pod runs them one after the
other.
"""

from metaflow import FlowSpec, JSONType, Parameter, step


class NewtonFlow(FlowSpec):
    numbers = Parameter("numbers", help="Whose roots to find", type=JSONType, default="[2, 9]")
    tolerance = Parameter("tolerance", help="How far off the square may be", type=float, default=0.1)

    @step
    def start(self):
        self.targets = list(self.numbers)
        self.next(self.improve, foreach="targets")

    @step
    def improve(self):
        # Later iterations come from the one before, not from the foreach.
        if not hasattr(self, "root"):
            self.target, self.root, self.rounds = self.input, self.input / 2 + 1, 0
        self.root = (self.root + self.target / self.root) / 2
        self.rounds += 1
        self.verdict = "good" if abs(self.root**2 - self.target) <= self.tolerance else "again"
        print(f"round {self.rounds}: {self.root}")
        self.next({"again": self.improve, "good": self.found}, condition="verdict")

    @step
    def found(self):
        self.line = f"√{self.target} ≈ {self.root:.3f} after {self.rounds} rounds"
        self.next(self.join)

    @step
    def join(self, inputs):
        self.lines = [root.line for root in inputs]
        self.next(self.end)

    @step
    def end(self):
        print("\n".join(self.lines))


if __name__ == "__main__":
    NewtonFlow()
