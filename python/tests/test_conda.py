"""Environments of conda's at `create`, with what stands in for micromamba."""

import pytest
from deploying import ROOT

MICROMAMBA = str(ROOT / "test" / "harness" / "emulated" / "micromamba")

BODY = """
@conda
@step
def start(self):
    self.next(self.end)

@conda(disabled=True)
@step
def end(self):
    pass
"""


@pytest.mark.parametrize("environment", ["conda", "pypi"])
def test_on_a_local_store(user, make_flow, environment):
    """Pods use the environment that was made here: Metaflow keeps none for them."""
    script = make_flow(BODY, imports="FlowSpec, conda, step")
    definition = user.definition(script, top=("--environment", environment), environment={"METAFLOW_PATH_TO_MICROMAMBA": MICROMAMBA})
    start, end = definition["steps"]
    assert start["executable"].startswith(str(user.folder / "micromamba" / "envs")) and start["executable"].endswith("/bin/python -s")
    assert end["executable"] == "python"
    assert "bootstrap" not in start and "bootstrap" not in end
    assert "--environment=" + environment in definition["top_options"]
