"""Fixtures of the end-to-end tests: stacks on files and on S3, and what plain runs come to."""

import os

import pytest
from harness.plain import PlainRuns
from harness.processes import mentioning, until
from harness.s3 import S3Server
from harness.stack import Stack


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_stacks(tmp_path_factory):
    """One running stack per store for all tests that do it no harm. Tasks on S3 run as anywhere, those on files share their bytecode."""
    stacks: dict[str, Stack] = {}

    def get(store: str, request) -> Stack:
        if store not in stacks:
            server = request.getfixturevalue("s3") if store == "s3" else None
            stacks[store] = Stack(tmp_path_factory.mktemp(store), s3=server).start()
            if store == "files":
                stacks[store].share_bytecode()
        return stacks[store]

    yield get
    for stack in stacks.values():
        stop_clean(stack)


@pytest.fixture(params=["files", "s3"])
def stack(request, shared_stacks):
    """A running stack, on each store in turn."""
    return shared_stacks(request.param, request)


@pytest.fixture(scope="session")
def plain_runs(tmp_path_factory):
    """Plain runs of flows, each made once; the processes of pytest-xdist share them."""
    base = tmp_path_factory.getbasetemp()
    return PlainRuns((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "plain")


@pytest.fixture
def files(request, shared_stacks):
    """The stack on files, for what does not touch the store's kind."""
    return shared_stacks("files", request)


@pytest.fixture
def own_stack(tmp_path):
    """Makes stacks for one test alone."""
    made: list[Stack] = []

    def make(**options) -> Stack:
        folder = tmp_path / f"stack{len(made)}"
        folder.mkdir()
        made.append(Stack(folder, **options))
        return made[-1].start()

    yield make
    for stack in made:
        stop_clean(stack)


def stop_clean(stack: Stack) -> None:
    """Stops a stack and checks that nothing of it runs on."""
    stack.stop()
    until(f"no process left of {stack.folder}", lambda: not mentioning(str(stack.folder)), timeout=20)
