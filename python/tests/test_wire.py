"""The client of the socket, alone."""

import importlib
import json
import pickle
import socket
import subprocess
import sys
import threading

import pytest
from deploying import ROOT
from fake_launcher import FakeLauncher, Refusal

SHIM = "metaflow_extensions.millrace_runtime.plugins."


@pytest.fixture
def wire(launcher, monkeypatch):
    monkeypatch.setenv("MILLRACE_SOCKET", launcher.path)
    monkeypatch.syspath_prepend(str(ROOT / "python"))
    module = importlib.import_module(SHIM + "wire")
    module._mine = threading.local()
    yield module
    conn = getattr(module._mine, "conn", None)
    if conn is not None:
        conn.close()


def test_hello(launcher, wire):
    assert wire.connection().hello["spool"] == launcher.spool
    assert launcher.asked("hello")[0]["protocol"] == wire.PROTOCOL


def test_one_connection_for_each_thread(launcher, wire):
    wire.note("one")
    wire.note("two")
    other = threading.Thread(target=lambda: (wire.note("three"), wire.connection().close()))
    other.start()
    other.join()
    assert launcher.notes == ["one", "two", "three"]
    assert len(launcher.asked("hello")) == 2


def test_errors_have_a_class(launcher, wire):
    launcher.refusals["size"] = Refusal("permission", "bucket mill: access denied")
    with pytest.raises(wire.LauncherError) as caught:
        wire.call("size", root="r", path="x")
    assert (caught.value.op, caught.value.kind) == ("size", "permission")
    assert str(pickle.loads(pickle.dumps(caught.value))) == "the launcher could not size: bucket mill: access denied (permission)"
    # The connection is as good as before.
    wire.note("still there")
    assert len(launcher.asked("hello")) == 1


def test_a_frame_too_large_is_not_sent(launcher, wire):
    with pytest.raises(wire.FrameTooLarge):
        wire.call("note", message="x" * wire.MAX_FRAME)
    wire.note("small")
    assert launcher.notes == ["small"]
    assert len(launcher.asked("hello")) == 1


@pytest.mark.parametrize("text", ["päivää 🚀", "lone \ud800 half", "\x00\n", ""])
def test_any_text_arrives(launcher, wire, text):
    wire.call("note", message=text)
    assert launcher.notes == [text]


def test_an_interrupted_call_gives_up_its_connection(launcher, wire):
    """As @timeout's alarm does: what is read next is no answer to the next question."""

    class Alarm(Exception):
        pass

    conn = wire.connection()
    read = conn._read

    def interrupted(op, count):
        conn._read = read
        raise Alarm

    conn._read = interrupted
    with pytest.raises(Alarm):
        wire.call("size", root="r", path="x")
    wire.note("after")
    assert launcher.notes == ["after"]
    assert wire.connection() is not conn


def test_gone(launcher, wire):
    wire.note("here")
    launcher.close()
    for _ in range(2):
        with pytest.raises(wire.LauncherGone) as caught:
            wire.call("size", root="r", path="x")
        assert caught.value.kind == "gone"
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), wire.LauncherGone)
    wire.note("nobody listens, and nobody minds")


def test_gone_in_the_middle_of_a_call(launcher, wire, monkeypatch):
    def hang_up(self, request):
        for conn in list(self._open):
            conn.shutdown(socket.SHUT_RDWR)

    monkeypatch.setattr(FakeLauncher, "do_size", hang_up)
    with pytest.raises(wire.LauncherGone):
        wire.call("size", root="r", path="x")


def test_another_protocol(launcher, wire, monkeypatch):
    monkeypatch.setattr(FakeLauncher, "do_hello", lambda self, request: {"protocol": 99})
    with pytest.raises(wire.LauncherError, match="protocol 99"):
        wire.connection()


def test_standard_library_only():
    """Wire and lifeline are loaded before Metaflow is complete."""
    code = (
        "import sys, json; sys.path.insert(0, %r); before = set(sys.modules)\n"
        "import metaflow_extensions.millrace_runtime.plugins.wire, metaflow_extensions.millrace_runtime.plugins.lifeline\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))" % str(ROOT / "python")
    )
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert set(loaded) - {"metaflow_extensions"} <= set(sys.stdlib_module_names) if hasattr(sys, "stdlib_module_names") else True
