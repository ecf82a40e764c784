"""A switch: the data decide how the flow goes on.

    python route.py kubeflow-pipelines create
    python route.py kubeflow-pipelines trigger --rows 5
    python route.py kubeflow-pipelines trigger --rows 2000

A small table is summed at once, a large one in pieces; both ways meet again.
The branch that is not taken costs no pod.
"""

from metaflow import FlowSpec, Parameter, step

PIECE = 1000


class RouteFlow(FlowSpec):
    rows = Parameter("rows", help="How large the table is", type=int, default=5)

    @step
    def start(self):
        self.size = "large" if self.rows > PIECE else "small"
        self.next({"small": self.at_once, "large": self.in_pieces}, condition="size")

    @step
    def at_once(self):
        self.total = sum(range(self.rows))
        self.next(self.report)

    @step
    def in_pieces(self):
        self.pieces = list(range(0, self.rows, PIECE))
        self.next(self.piece, foreach="pieces")

    @step
    def piece(self):
        self.part = sum(range(self.input, min(self.input + PIECE, self.rows)))
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.total = sum(piece.part for piece in inputs)
        self.merge_artifacts(inputs, include=["size"])
        self.next(self.report)

    @step
    def report(self):
        self.line = f"{self.rows} rows, {self.size}: {self.total}"
        self.next(self.end)

    @step
    def end(self):
        print(self.line)


if __name__ == "__main__":
    RouteFlow()
