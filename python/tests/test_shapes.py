"""Every shape of flow that Metaflow accepts is described as it is, and the
compiler takes it."""

import pytest
import shapes
from deploying import compiled
from metaflow.graph import FlowGraph

IMPORTS = "Config, FlowSpec, parallel, step"
# The oldest Metaflow knows no flows of one step, and start and end by their names only.
ANY_NAMES = hasattr(FlowGraph, "_identify_start_end")
SHAPES = {what: shape for what, shape in shapes.SHAPES.items() if what != "one step" or ANY_NAMES}


@pytest.mark.parametrize("what", SHAPES)
def test_shape(user, make_flow, tmp_path, what):
    definition = user.definition(make_flow(shapes.body(SHAPES[what]), imports=IMPORTS))
    assert shapes.of_definition(definition) == shapes.graph(SHAPES[what])
    assert all('"%s"' % name in compiled(tmp_path, definition) for name in shapes.graph(SHAPES[what]))


def test_cases_from_the_configuration(user, make_flow, tmp_path):
    before = 'config = Config("config", default_value={"small": "s", "large": "l"})\n\n'
    switch = "start -> self.config.small: a, self.config.large: b ? way; a -> end; b -> end; end"
    definition = user.definition(make_flow(before + shapes.body(switch), imports=IMPORTS))
    assert definition["steps"][0]["switch_cases"] == {'"config:config.small"': "a", '"config:config.large"': "b"}
    assert compiled(tmp_path, definition)


def test_cases_are_json(user, make_flow):
    definition = user.definition(make_flow(shapes.body(SHAPES["switch on numbers and bools"]), imports=IMPORTS))
    assert definition["steps"][0]["switch_cases"] == {"2": "a", "true": "b", "2.5": "c"}


def test_foreach_over_what_the_source_does_not_say(user, make_flow, tmp_path):
    body = shapes.body("start -> work * xs; work -> join; >join -> end; end").replace("'xs'", "NAME")
    definition = user.definition(make_flow(body, imports=IMPORTS, before='NAME = "xs"\n\n\n'))
    assert definition["steps"][0]["type"] == "split-foreach" and "foreach_var" not in definition["steps"][0]
    assert compiled(tmp_path, definition)


if ANY_NAMES:

    def test_names_of_start_and_end(user, make_flow, tmp_path):
        body = shapes.body("begin -> work * xs; work -> join; >join -> done; done", {"begin": "(start=True)", "done": "(end=True)"})
        definition = user.definition(make_flow(body, imports=IMPORTS))
        assert (definition["start_step"], definition["end_step"]) == ("begin", "done")
        assert compiled(tmp_path, definition)


def test_a_class_above_another(user, tmp_path):
    """Steps may come from a class that the flow is made of."""
    script = tmp_path / "flow.py"
    base = shapes.body("start -> a, b; a -> join; b -> join; >join -> end; end")
    lines = "\n".join("    " + line if line else "" for line in base.splitlines())
    script.write_text(
        "from metaflow import %s\n\n\nclass BaseFlow(FlowSpec):\n%s\n\nclass TestFlow(BaseFlow):\n    @step\n    def a(self):\n"
        '        self.next(self.join)\n\n\nif __name__ == "__main__":\n    TestFlow()\n' % (IMPORTS, lines)
    )
    assert shapes.of_definition(user.definition(script))["start"][:2] == ("split-static", ["a", "b"])
