"""The examples, deployed and run as a user does it, are what a plain run is."""

import pytest
from harness import client
from harness.paths import EXAMPLES

TEXTS = ("--package-suffixes", ".txt,.py")


@pytest.mark.parametrize("arguments", [
    (),
    ("--name", "Ada Lovelace", "--times", "2", "--pitch", "0.25", "--loud", "True", "--options", '{"punctuation": "?!"}', "--nickname", "Countess"),
], ids=["defaults", "given"])
def test_hello(stack, plain_runs, arguments):
    script = EXAMPLES / "hello" / "hello.py"
    run = stack.run(script, *arguments, create=("--tag", "nightly", "--tag", "team:a b"))
    ours = client.read(run)
    client.same(ours, plain_runs(script, *arguments, "--tag", "nightly", "--tag", "team:a b"))
    assert ours["successful"] and ours["tags"] == ["nightly", "team:a b"]
    assert ours["id"].startswith("kfp-")


def test_wordcount(files, plain_runs):
    script = EXAMPLES / "wordcount" / "wordcount.py"
    run = files.run(script, "--top", "3", create=("--max-workers", "2"), top=TEXTS)
    ours = client.read(run)
    client.same(ours, plain_runs(script, "--top", "3"))
    assert len(ours["steps"]["count"]) == len(list((script.parent / "texts").glob("*.txt")))


def test_flaky(files, plain_runs):
    script = EXAMPLES / "flaky" / "flaky.py"
    run = files.run(script, "--failures", "2")
    ours = client.read(run)
    client.same(ours, plain_runs(script, "--failures", "2"))
    fetch = ours["steps"]["fetch"][0]
    assert fetch["attempt"] == 2
    for attempt, log in enumerate(fetch["logs"]):
        assert f"attempt {attempt}: fetching from far away" in log["stdout"]
        assert ("ConnectionError: far away does not answer" in log["stderr"]) == (attempt < 2)
    assert [a["outcome"] for a in run.task("fetch")["attempts"]] == ["failed", "failed", "succeeded"]


def test_rescue(files, plain_runs):
    script = EXAMPLES / "rescue" / "rescue.py"
    run = files.run(script, create=("--max-workers", "3"))
    ours = client.read(run)
    client.same(ours, plain_runs(script))
    assert ours["successful"]
