"""The examples on a server of each cloud's kind, read back by the stock client
with its own SDKs: what a plain run is."""

import concurrent.futures
import json

import pytest
from harness import client
from harness.clouds import AzureServer, GCSServer
from harness.fleet import spare
from harness.paths import EXAMPLES
from harness.plain import without_words_of_gangs
from harness.s3 import S3Server
from harness.stack import Run, flow_name

TEXTS = ("--package-suffixes", ".txt,.py")

# One pod does what a step has to do: this is about the stores.
ONE_POD = ("--max-workers", "1")

# example: the parameters of its run (those of other tests, whose plain runs are made once), and the arguments of `create`
FLOWS = {
    "newton": ({"tolerance": 0.3}, ONE_POD),
    "grid": ({}, ONE_POD),
    "gang": ({"size": 3}, ()),
    "rescue": ({}, ONE_POD),
    "wordcount": ({"top": 3}, ONE_POD),
    "route": ({"rows": 1500}, ONE_POD),
    "branches": ({}, ()),
    "flaky": ({"failures": 2}, ()),
    "hello": ({}, ()),
    "named": ({}, ()),
}
# Its plain run is in the same store, the others' on files.
IN_CLOUD = "hello"


@pytest.mark.parametrize("server", [S3Server, GCSServer, AzureServer], ids=["s3", "gs", "azure"])
def test_examples(server, tmp_path, own_stack, plain_runs):
    assert set(FLOWS) == {folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()}
    with server(tmp_path) as store:
        stack = own_stack(store=store)
        spare(stack)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = dict(zip(FLOWS, pool.map(lambda name: started(stack, name), FLOWS), strict=True))
            native = pool.submit(plain_run, stack, IN_CLOUD, tmp_path)
        with client.Reader(client.client_environment(stack), tmp_path) as reader:
            for name, run in runs.items():
                run.wait(timeout=300)  # all have run at once
                ours = reader.read(run.pathspec)
                plain = reader.read(native.result()) if name == IN_CLOUD else plain_runs(script_of(name), *arguments_of(name))
                if name == "gang":
                    without_words_of_gangs(ours, plain, step="share")
                client.same(ours, plain)
                assert ours["successful"]


def started(stack, name) -> Run:
    """A run of the example, triggered without a process of Python."""
    script, (parameters, create) = script_of(name), FLOWS[name]
    stack.create(script, *create, top=TEXTS)
    flow = flow_name(script)
    report = stack.driver("trigger", "--pipeline", flow, "--parameters", "-", "--json", input=json.dumps(parameters))
    return Run(stack, flow, json.loads(report.stdout)["run_id"])


def plain_run(stack, name, folder) -> str:
    """Metaflow's own run in the stack's store, by its pathspec."""
    done, run_id = client.metaflow(stack.environment, script_of(name), folder, "run", *arguments_of(name))
    assert done.returncode == 0, done.stdout + done.stderr
    return f"{flow_name(script_of(name))}/{run_id}"


def script_of(name):
    return EXAMPLES / name / f"{name}.py"


def arguments_of(name):
    return [word for parameter, value in FLOWS[name][0].items() for word in (f"--{parameter}", str(value))]
