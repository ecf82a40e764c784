"""Parameter values and step names that somebody on the way gives a meaning
of their own arrive exactly as in a plain run."""

import json

import pytest
from harness import client
from harness.paths import FLOWS

AWKWARD = {
    "dollars": "$$ $(HOME) ${HOME} $HOME $$(PATH)",
    "templates": "{{workflow.name}} {{$.inputs.parameters['text']}} {{$}} {{retries}} {{nope",
    "lines": "first\nsecond\r\n\n\tfourth ",
    "unicode": "päivää 你好 🚀 \u202eleft",
    "quotes": "\"'`\\ \\n %s #! ; | & > <",
    "empty": "",
    "like JSON": 'null {"a": 1}',
    "like an option": "--flag=x",
}


@pytest.fixture(scope="module")
def deployed(shared_stacks, request):
    stack = shared_stacks("files", request)
    script = FLOWS / "parameters.py"
    stack.create(script)
    return stack, script


@pytest.mark.parametrize("value", AWKWARD.values(), ids=AWKWARD)
def test_awkward_text(deployed, tmp_path, value):
    stack, script = deployed
    arguments = [f"--text={value}", "--data", json.dumps({"text": value}), f"--run={value}", f"--with-hyphen={value}"]
    run = stack.trigger(script, *arguments)
    run.wait()
    client.same(client.read(run), client.plain_run(script, tmp_path / "plain", stack, *arguments))


def test_defaults(deployed, tmp_path):
    stack, script = deployed
    run = stack.trigger(script)
    run.wait()
    client.same(client.read(run), client.plain_run(script, tmp_path / "plain", stack))


def test_started_from_the_page_of_kfp(deployed, tmp_path):
    """A run created by KFP's own API, which knows strings only."""
    stack, script = deployed
    pipelines = stack.kfp("GET", "/pipelines?page_size=200")["pipelines"]
    pipeline = next(p for p in pipelines if "parameterflow" in (p.get("name") or p["display_name"]).lower())
    versions = stack.kfp("GET", f"/pipelines/{pipeline['pipeline_id']}/versions?sort_by=created_at%20desc")["pipeline_versions"]
    created = stack.kfp("POST", "/runs", {
        "display_name": "by hand",
        "pipeline_version_reference": {"pipeline_id": pipeline["pipeline_id"], "pipeline_version_id": versions[0]["pipeline_version_id"]},
        "runtime_config": {"parameters": {"text": "typed", "number": "7", "flag": "false"}},
    })
    from harness.stack import Run

    run = Run(stack, "ParameterFlow", "kfp-" + created["run_id"])
    run.wait()
    client.same(client.read(run), client.plain_run(script, tmp_path / "plain", stack, "--text", "typed", "--number", "7", "--flag", "False"))


def test_names(stack, tmp_path):
    script = FLOWS / "names.py"
    run = stack.run(script, create=("--max-workers", "2"))
    client.same(client.read(run), client.plain_run(script, tmp_path / "plain", stack))


@pytest.mark.parametrize(("arguments", "says"), [
    (["--number", "many"], "number"),
    (["--data", "{"], "data"),
    (["--nonsense", "1"], "nonsense"),
])
def test_wrong_values_are_refused_at_the_prompt(deployed, arguments, says):
    stack, script = deployed
    done = stack.flow(script, "kubeflow-pipelines", "trigger", *arguments, check=False)
    assert done.returncode != 0
    assert says in done.stdout + done.stderr
