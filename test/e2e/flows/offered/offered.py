"""What a flow can be given besides parameters: files, configs, a project,
secrets, decorators and serializers of the user's own, sources from elsewhere."""

import os
import sys

from metaflow import (
    Config,
    FlowMutator,
    FlowSpec,
    IncludeFile,
    Parameter,
    StepMutator,
    config_expr,
    current,
    environment,
    get_namespace,
    package_sources,
    project,
    secrets,
    step,
    user_step_decorator,
)

HERE = os.path.dirname(os.path.abspath(__file__))
INLINE = {"type": "inline", "id": "inline", "options": {"env_vars": {"INLINE_SECRET": "whispered"}}}


def beside(name):
    """A file of the flow's folder, wherever the command is typed."""
    return os.path.join(HERE, name)


def as_lines(text):
    return [line.strip() for line in text.splitlines()]


@user_step_decorator
def noted(step_name, flow, inputs, attributes):
    flow.before = f"before {step_name}: {attributes['word']}"
    yield
    flow.after = f"after {step_name}"


def in_place_of(flow, inputs=None):
    flow.by = "another function"
    flow.next(flow.end)


@user_step_decorator
def replaced(step_name, flow, inputs):
    yield in_place_of


class WithVariable(StepMutator):
    def init(self, name, value):
        self.name, self.value = name, value

    def mutate(self, mutable_step):
        mutable_step.add_decorator(environment, deco_kwargs={"vars": {self.name: self.value}})


class WithParameter(FlowMutator):
    def pre_mutate(self, mutable_flow):
        for name, config in mutable_flow.configs:
            if name == "settings":
                mutable_flow.add_parameter("added", Parameter("added", type=int, default=config.size))


@WithParameter
@package_sources("../elsewhere/sources")
@project(name="offered")
class OfferedFlow(FlowSpec):
    settings = Config("settings", default=beside("settings.json"))
    typed = Config("typed", default_value={"level": 3})
    words = IncludeFile("words", default=beside("words.txt"))
    raw = IncludeFile("raw", is_text=False, default=lambda context: beside("words.txt"))
    lines = IncludeFile("lines", default=beside("words.txt"), parser=as_lines)
    absent = IncludeFile("absent")

    @noted(word="hello")
    @environment(vars={"LEVEL": config_expr("str(typed.level)")})
    @secrets(sources=[INLINE, "tester.the-id"])
    @step
    def start(self):
        self.seen = self.read()
        self.configs = [self.settings.name, self.settings["size"], dict(self.typed), os.environ["LEVEL"], self.added]
        self.secrets = [os.environ["INLINE_SECRET"], os.environ["TESTER_SECRET"]]
        self.project = [current.project_name, current.branch_name, current.is_production, current.project_flow_name]
        self.next(self.middle)

    @WithVariable("MUTATED", "by a mutator")
    @replaced
    @step
    def middle(self):
        self.by = "the step itself"
        self.next(self.end)

    @WithVariable("MUTATED", "by a mutator")
    @step
    def end(self):
        sys.path.append(beside("../elsewhere"))  # for a plain run; in a package they are at the top
        import sources

        self.variable = os.environ["MUTATED"]
        self.imported = sources.WHERE
        self.again = self.read()
        assert self.again == self.seen
        assert get_namespace(), "a task has a namespace"

    def read(self):
        return [self.words, self.raw, self.lines, self.absent]


if __name__ == "__main__":
    OfferedFlow()
