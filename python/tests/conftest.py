"""Fixtures of the extension's tests. They run under any interpreter that has a
supported Metaflow and the extension installed."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from deploying import User  # noqa: E402
from fake_launcher import FakeLauncher  # noqa: E402


@pytest.fixture
def user(tmp_path):
    return User(tmp_path / "user")


@pytest.fixture
def launcher(tmp_path):
    server = FakeLauncher(tmp_path)
    yield server
    server.close()


@pytest.fixture
def make_flow(tmp_path):
    from deploying import write_flow

    def make(body, **options):
        folder = tmp_path / "flow"
        folder.mkdir(exist_ok=True)
        return write_flow(folder, body, **options)

    return make
