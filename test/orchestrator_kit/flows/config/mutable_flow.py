from metaflow import FlowMutator, FlowSpec, Parameter, step


class Parametrized(FlowMutator):
    """Adds a parameter to the flow."""

    def pre_mutate(self, mutable_flow):
        mutable_flow.add_parameter("param2", Parameter("param2", default="41"))


@Parametrized
class MutableFlow(FlowSpec):
    trigger_param = Parameter("trigger_param", default="")

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    MutableFlow()
