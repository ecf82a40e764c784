"""What Metaflow offers a flow besides its graph comes to the same as in a
plain run."""

import pytest
from harness import client
from harness.paths import FLOWS

OFFERED = FLOWS / "offered"


@pytest.fixture
def with_extension(stack, monkeypatch):
    """A stack whose user has an extension of Metaflow's beside ours."""
    for environment in (stack.environment, stack.user):
        monkeypatch.setitem(environment, "PYTHONPATH", str(OFFERED / "extension"))
    return stack


def test_offered(with_extension, tmp_path):
    stack, script = with_extension, OFFERED / "offered.py"
    words = tmp_path / "words.txt"
    words.write_text("other words\n")
    given = ["--words", str(words)] if stack.s3 else []
    run = stack.run(script, *given)
    client.same(client.read(run), client.plain_run(script, tmp_path / "plain", stack, *given))
