"""Two things done side by side, then brought together.

    python branches.py kubeflow-pipelines create
    python branches.py kubeflow-pipelines trigger --numbers '[3, 1, 4, 1, 5]'

Each branch has a pod of its own; the join starts when both are done.
"""

import statistics

from metaflow import FlowSpec, JSONType, Parameter, step


class BranchesFlow(FlowSpec):
    numbers = Parameter("numbers", help="What to describe", type=JSONType, default="[2, 7, 1, 8]")

    @step
    def start(self):
        self.data = sorted(self.numbers)
        self.next(self.middle, self.spread)

    @step
    def middle(self):
        self.mean = statistics.mean(self.data)
        self.next(self.join)

    @step
    def spread(self):
        self.deviation = statistics.pstdev(self.data)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.mean = inputs.middle.mean
        self.deviation = inputs.spread.deviation
        self.merge_artifacts(inputs, include=["data"])
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.data}: {self.mean:.2f} ± {self.deviation:.2f}")


if __name__ == "__main__":
    BranchesFlow()
