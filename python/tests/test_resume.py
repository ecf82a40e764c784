"""What `resume` checks before it starts a run, and what it asks of the driver."""

import json
import shutil

import pytest
import shapes

BRANCHES = "start -> a, b; a -> join; b -> join; >join -> end; end"
IMPORTS = "FlowSpec, Parameter, step"


class Origin:
    """A flow, deployed, and two runs of it in its store that got as far as
    their parameters: one with our ids, one with Metaflow's own."""

    def __init__(self, user, make_flow):
        self.user, self.make_flow = user, make_flow
        self.script = make_flow(shapes.body(BRANCHES), imports=IMPORTS)
        for run_id, task in ("kfp-1", "params"), ("plain", "0"):
            user.flow(self.script, "init", "--run-id", run_id, "--task-id", task)
        self.runs = user.folder / "store" / ".metaflow" / "TestFlow"
        user.create(self.script)

    def resume(self, *arguments, **options):
        return self.user.flow(self.script, "kubeflow-pipelines", "resume", *arguments, **options)

    def refused(self, *arguments, says):
        done = self.resume(*arguments, check=False)
        assert done.returncode != 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        missing = [word for word in says if word not in done.stderr]
        assert not missing, f"{missing} not in: {done.stderr}"
        assert self.user.call()["arguments"][0] != "trigger"


@pytest.fixture
def origin(user, make_flow):
    return Origin(user, make_flow)


def test_resume(origin, tmp_path):
    file = tmp_path / "run-id"
    done = origin.resume("--origin-run-id", "kfp-1", "--run-id-file", str(file))
    assert origin.user.call()["arguments"] == ["trigger", "--pipeline", "TestFlow", "--resume-from", "kfp-1", "--json"]
    assert file.read_text() == "kfp-0a1b" and "resumes kfp-1" in done.stderr
    origin.user.flow(origin.script, "kubeflow-pipelines", "status")
    assert origin.user.call()["arguments"][:3] == ["status", "--run-id", "kfp-0a1b"]


def test_from_a_step(origin):
    origin.user.flow(
        origin.script, "kubeflow-pipelines", "--url", "http://kfp.example", "resume", "--origin-run-id", "TestFlow/kfp-1", "--step", "join"
    )
    assert origin.user.call()["arguments"] == [
        "trigger", "--pipeline", "TestFlow", "--resume-from", "kfp-1", "--resume-step", "join", "--kfp-url", "http://kfp.example", "--json",
    ]


def test_the_last_run_is_the_default(origin):
    origin.refused(says=["--origin-run-id"])
    origin.user.trigger(origin.script)
    shutil.copytree(origin.runs / "kfp-1", origin.runs / "kfp-0a1b")
    origin.resume()
    assert "kfp-0a1b" in origin.user.call()["arguments"]


def test_runs_that_are_none(origin):
    origin.refused("--origin-run-id", "kfp-2", says=["no run kfp-2 of the flow TestFlow", "local datastore"])
    origin.refused("--origin-run-id", "Other/kfp-1", says=["Other/kfp-1", "no run of the flow TestFlow"])
    origin.refused("--origin-run-id", "TestFlow/", says=["no run id"])
    origin.refused("--origin-run-id", "plain", says=["was not run on Kubeflow Pipelines by this extension", "_parameters/0", "Metaflow's own"])
    origin.refused("--origin-run-id", "kfp-1", "--step", "middle", says=["no step middle", "start, a, b, join, end"])
    (origin.runs / "kfp-1" / "_parameters" / "params" / "0.DONE.lock").unlink()
    origin.refused("--origin-run-id", "kfp-1", says=["kfp-1", "did not get as far as its parameters"])


@pytest.mark.parametrize(("now", "says"), [
    ("start -> a, b; a -> c; c -> join; b -> join; >join -> end; end", ["step c is new", "a was linear followed by join and is linear followed by c"]),
    ("start -> a; a -> end; end", ["the step b is gone", "the step join is gone", "start was split-static followed by a, b and is start followed by a"]),
    ("start -> a * xs; a -> join; >join -> end; end", ["start was split-static followed by a, b and is split-foreach followed by a"]),
])
def test_other_steps_are_deployed(origin, now, says):
    """What is deployed counts, not what the file says by now."""
    origin.make_flow(shapes.body(now), imports=IMPORTS)
    origin.resume("--origin-run-id", "kfp-1")
    origin.user.create(origin.script)
    origin.refused("--origin-run-id", "kfp-1", says=["kfp-1", *says])


def test_what_a_step_does_may_change(origin):
    origin.make_flow(shapes.body(BRANCHES).replace("pass", "print('mended')"), imports=IMPORTS)
    origin.user.create(origin.script)
    origin.resume("--origin-run-id", "kfp-1")


def test_the_definition_is_elsewhere(origin):
    deployed = origin.user.folder / "version.json"
    report = json.loads(deployed.read_text())
    deployed.write_text(json.dumps({**report, "definition_sha256": "0" * 64}))
    origin.refused("--origin-run-id", "kfp-1", says=["is not the one from which version v1 was made"])
    deployed.write_text(json.dumps({**report, "definition_url": "s3://elsewhere/TestFlow/data/aa/" + "a" * 40}))
    origin.refused("--origin-run-id", "kfp-1", says=["s3://elsewhere/TestFlow/data/aa/", "cannot be read from the local datastore"])


def test_parameters_are_those_of_the_origin(origin):
    origin.make_flow('n = Parameter("n", default=1)\n' + shapes.body(BRANCHES), imports=IMPORTS)
    origin.refused("--origin-run-id", "kfp-1", "--n", "2", says=["--n"])
