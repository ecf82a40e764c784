"""What `trigger` hands over, and what it leaves behind."""

import gzip
import json
import pathlib

import pytest
from deploying import LINEAR, ROOT

PARAMETERS = ROOT / "test" / "e2e" / "flows" / "parameters.py"


@pytest.mark.parametrize(("arguments", "values"), [
    ([], {}),
    (["--text", "$$ $(HOME) {{workflow.name}}"], {"text": "$$ $(HOME) {{workflow.name}}"}),
    (["--text", "päivää 你好 🚀"], {"text": "päivää 你好 🚀"}),
    (["--text", ""], {"text": ""}),
    (["--text", "a\n\tb\r\n"], {"text": "a\n\tb\r\n"}),
    (["--text=--flag"], {"text": "--flag"}),
    (["--text", "plain"], {"text": "plain"}),  # the default, given: it is passed
    (["--number", "12345678901234567890"], {"number": 12345678901234567890}),
    (["--ratio", "1e-300"], {"ratio": 1e-300}),
    (["--ratio", "2"], {"ratio": 2.0}),
    (["--flag", "False"], {"flag": False}),
    (["--data", '{"a": [1, null, "ü"]}'], {"data": {"a": [1, None, "ü"]}}),
    (["--data", "null"], {"data": {"a": [1, None, "x"]}}),  # as in a plain run: for click, None is "not given"
    (["--with-hyphen", "x"], {"with-hyphen": "x"}),
    (["--run", "r", "--worker", "w", "--status", "s"], {"run": "r", "worker": "w", "status": "s"}),
    (["--computed", "given"], {"computed": "given"}),
])
def test_values(user, arguments, values):
    user.trigger(PARAMETERS, *arguments)
    got = user.call()["parameters"]
    assert json.dumps(got, sort_keys=True) == json.dumps(values, sort_keys=True)


@pytest.mark.parametrize(("arguments", "says"), [
    (["--number", "many"], "number"),
    (["--data", "{"], "data"),
    (["--ratio", "nan"], "ratio"),
    (["--nonsense", "1"], "nonsense"),
])
def test_refused(user, arguments, says):
    done = user.trigger(PARAMETERS, *arguments, check=False)
    assert done.returncode != 0
    assert says in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not user.asked()


def test_required(user, make_flow):
    script = make_flow('where = Parameter("where", required=True)\n' + LINEAR, imports="FlowSpec, Parameter, step")
    assert user.definition(script)["parameters"] == [{"name": "where", "type": "str", "required": True}]
    done = user.trigger(script, check=False)
    assert done.returncode != 0 and "where" in done.stderr
    user.trigger(script, "--where", "here")
    assert user.call()["parameters"] == {"where": "here"}


def test_file(user, make_flow, tmp_path):
    """A file is stored when it is named; a run is told where."""
    (tmp_path / "words.txt").write_text("one two")
    script = make_flow(f"words = IncludeFile('words', default={str(tmp_path / 'words.txt')!r})\n" + LINEAR, imports="FlowSpec, IncludeFile, step")
    [parameter] = user.definition(script)["parameters"]
    assert (parameter["name"], parameter["type"]) == ("words", "str")
    (tmp_path / "others.txt").write_text("three")
    user.trigger(script)
    assert user.call()["parameters"] == {}, "the file is read at create, not again"
    user.trigger(script, "--words", str(tmp_path / "others.txt"))
    for told, text in ((parameter["default"], b"one two"), (user.call()["parameters"]["words"], b"three")):
        file = json.loads(told)
        assert file["size"] == len(text)
        assert gzip.decompress(pathlib.Path(file["url"].removeprefix("local://")).read_bytes()) == text
    user.trigger(script, "--words", parameter["default"])
    assert json.loads(user.call()["parameters"]["words"]) == json.loads(parameter["default"]), "the text is as good as the file"
    done = user.trigger(script, "--words", "nowhere.txt", check=False)
    assert done.returncode != 0 and "nowhere.txt" in done.stderr


def test_from_the_environment(user):
    user.trigger(PARAMETERS, environment={"METAFLOW_KUBEFLOW_PIPELINES_TRIGGER_TEXT": "from outside"})
    assert user.call()["parameters"] == {"text": "from outside"}


def test_run_id(user, tmp_path):
    file = tmp_path / "run-id"
    done = user.trigger(PARAMETERS, "--run-id-file", str(file))
    assert file.read_text() == "kfp-0a1b"
    assert "run-id kfp-0a1b" in done.stderr  # where Metaflow says things
    user.flow(PARAMETERS, "kubeflow-pipelines", "status")
    assert user.call()["arguments"][:3] == ["status", "--run-id", "kfp-0a1b"]


def test_status(user):
    done = user.flow(PARAMETERS, "kubeflow-pipelines", "--url", "http://kfp.example", "status", "--run-id", "ParameterFlow/kfp-7")
    assert user.call()["arguments"] == ["status", "--run-id", "kfp-7", "--kfp-url", "http://kfp.example"]
    assert done.stdout.rstrip().endswith("a table")
    done = user.flow(PARAMETERS, "kubeflow-pipelines", "status", "--run-id", "kfp-7", "--json")
    assert json.loads(done.stdout)["run_id"] == "kfp-0a1b"


def test_status_of_nothing(user):
    done = user.flow(PARAMETERS, "kubeflow-pipelines", "status", check=False)
    assert done.returncode != 0 and "--run-id" in done.stderr


def test_the_drivers_words_are_the_users(user):
    (user.folder / "failure").write_text('driver: pipeline "ParameterFlow" is not there; deploy the flow first')
    done = user.trigger(PARAMETERS, check=False)
    assert done.returncode != 0
    assert 'pipeline "ParameterFlow" is not there; deploy the flow first' in done.stderr
    assert "driver: " not in done.stderr and "Traceback" not in done.stderr
