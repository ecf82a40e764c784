"""The driver is down at start, is killed, comes back: launchers go on."""

import os
import shutil

from harness import client
from harness.paths import BIN, FLOWS
from harness.processes import until
from harness.s3 import free_port
from harness.serve import Driver


def test_stack_killed_and_restarted(own_stack, tmp_path):
    stack = own_stack()
    stack.create(FLOWS / "wide.py", "--max-workers", "2")
    run = stack.trigger(FLOWS / "wide.py", "--width", "6", "--pause", "1")
    until("the first split to end", lambda: [t for t in run.tasks() if t["step"] == "work" and t["state"] == "succeeded"])
    stack.kill()
    stack.start()
    run.wait()
    client.same(client.read(run), client.plain_run(FLOWS / "wide.py", tmp_path / "plain", stack, "--width", "6", "--pause", "1"))
    for task in run.tasks():
        assert [a["outcome"] for a in task["attempts"]].count("succeeded") == 1


def test_driver_down_at_start(own_stack, tmp_path):
    port, http = free_port(), free_port()
    stack = own_stack(args=("--roles", "kfp,metadata", "--driver", f"127.0.0.1:{port}", "--driver-http", f"http://127.0.0.1:{http}"))
    driver = Driver(stack, port, http)
    driver.start()  # the launcher is fetched from it at the first start
    stack.create(FLOWS / "wide.py", "--max-workers", "2")
    driver.kill()
    run = stack.trigger(FLOWS / "wide.py", "--width", "2")
    until("a pod to start", lambda: os.listdir(stack.home / "pods"))
    driver.start()
    run.wait()
    driver.kill()
    driver.start()
    assert run.status()["state"].lower() == "succeeded"
    driver.stop()


def test_launcher_replaced(own_stack, tmp_path):
    """A flow that was deployed before an upgrade runs after it, with the launcher it pins."""
    bin = tmp_path / "bin"
    bin.mkdir()
    for program in ("driver", "launcher"):
        shutil.copy2(BIN / program, bin)
    stack = own_stack(bin=bin)
    stack.create(FLOWS / "wide.py")
    stack.stop()
    upgraded = bin / "upgraded"
    upgraded.write_bytes((bin / "launcher").read_bytes() + b"\0")  # runs as before, under another digest
    upgraded.chmod(0o755)
    upgraded.replace(bin / "launcher")
    stack.start()
    stack.trigger(FLOWS / "wide.py", "--width", "1").wait()
    stack.run(FLOWS / "wide.py", "--width", "1")
    assert len(os.listdir(stack.home / "launchers")) == 2
