"""Keeps what every parameter holds, in every step."""

from metaflow import FlowSpec, JSONType, Parameter, step


class ParameterFlow(FlowSpec):
    text = Parameter("text", default="plain")
    nothing = Parameter("nothing", default=None)
    number = Parameter("number", type=int, default=-3)
    ratio = Parameter("ratio", type=float, default=1e-9)
    flag = Parameter("flag", type=bool, default=True)
    data = Parameter("data", type=JSONType, default='{"a": [1, null, "x"]}')
    computed = Parameter("computed", default=lambda context: f"for {context.flow_name}")
    # Words that mean something to whoever carries the values.
    run_ = Parameter("run", default="a run")
    worker = Parameter("worker", default="a worker")
    status = Parameter("status", default="a status")
    with_hyphen = Parameter("with-hyphen", default="hyphen")

    @step
    def start(self):
        self.seen = self.read()
        self.next(self.end)

    @step
    def end(self):
        self.again = self.read()
        assert self.again == self.seen

    def read(self):
        values = [self.text, self.nothing, self.number, self.ratio, self.flag, self.data, self.computed, self.run_, self.worker,
                  self.status, self.with_hyphen]
        return [(type(value).__name__, repr(value)) for value in values]


if __name__ == "__main__":
    ParameterFlow()
