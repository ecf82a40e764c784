"""An S3 that refuses, is not there, or is unwell for a while."""

import copy
import threading

import pytest
from harness import client
from harness.paths import FLOWS
from harness.processes import until
from harness.proxy import UnwellProxy


def pod_logs(run) -> str:
    return "".join(f.read_text(errors="replace") for f in (run.stack.home / "logs" / run.kfp_id).rglob("*") if f.is_file())


def test_wrong_key(own_stack, s3):
    """The pods' secret is wrong; the user's, at create, is right."""
    stack = own_stack(s3=s3, environment={"AWS_SECRET_ACCESS_KEY": "not-the-secret"})
    stack.environment["AWS_SECRET_ACCESS_KEY"] = s3.credentials["AWS_SECRET_ACCESS_KEY"]
    stack.create(FLOWS / "wide.py")
    run = stack.trigger(FLOWS / "wide.py")
    said = until("the pod to say what is wrong", lambda: (t := pod_logs(run)) and "credentials" in t and t, timeout=60)
    assert s3.bucket in said
    assert "not-the-secret" not in said
    run.stack.driver("terminate", "--run-id", run.id)


def test_missing_bucket(own_stack, s3):
    elsewhere = copy.copy(s3)
    elsewhere.bucket = "no-such-bucket"
    stack = own_stack(s3=elsewhere)
    done = stack.create(FLOWS / "wide.py", check=False)
    assert done.returncode != 0
    assert "no-such-bucket" in done.stdout + done.stderr


@pytest.fixture
def unwell(s3):
    proxy = UnwellProxy(s3.port)
    yield proxy
    proxy.stop()


def test_503s_are_waited_out(own_stack, s3, unwell, tmp_path):
    behind = copy.copy(s3)
    behind.endpoint = unwell.endpoint
    stack = own_stack(s3=behind)
    stack.create(FLOWS / "wide.py", "--max-workers", "2")
    run = stack.trigger(FLOWS / "wide.py", "--width", "4", "--pause", "1")
    until("the first split to end", lambda: [t for t in run.tasks() if t["step"] == "work" and t["state"] == "succeeded"])
    unwell.unwell.set()
    threading.Timer(6, unwell.unwell.clear).start()
    run.wait()
    assert unwell.refused > 0
    client.same(client.read(run), client.plain_run(FLOWS / "wide.py", tmp_path / "plain", stack, "--width", "4", "--pause", "1"))
    # Nobody's attempt was spent on it.
    assert all(len(t["attempts"]) == 1 for t in run.tasks()), run.tasks()
    assert "503" in pod_logs(run) or "SlowDown" in pod_logs(run)
