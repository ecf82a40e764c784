"""The commands' own words: status, --only-yaml, what is refused at create, and
who may not speak to the stack at all."""

import json
import urllib.error
import urllib.request

import pytest
from harness.paths import EXAMPLES, FLOWS

HELLO = EXAMPLES / "hello" / "hello.py"


def test_only_yaml_deploys_nothing(files, tmp_path):
    before = files.kfp("GET", "/pipelines").get("total_size", 0)
    out = tmp_path / "pipeline.yaml"
    done = files.create(FLOWS / "names.py", "--only-yaml", "--output", str(out), check=False)
    if done.returncode != 0:  # printed, not written
        done = files.create(FLOWS / "names.py", "--only-yaml")
        out.write_text(done.stdout)
    assert '"schemaVersion": "2.1.0"' in out.read_text()
    assert files.kfp("GET", "/pipelines").get("total_size", 0) == before


def test_status(files):
    run = files.run(HELLO)
    done = files.flow(HELLO, "kubeflow-pipelines", "status", "--run-id", run.id)
    assert "succeeded" in (done.stdout + done.stderr).lower()
    status = run.status()
    assert status["run_id"] == run.id and status["kfp_state"] == "SUCCEEDED"
    assert [r for r in json.loads(files.driver("runs", "--json").stdout) if r["run_id"] == run.id]


@pytest.mark.parametrize("attribute", ["kubernetes(service_account='me')", "resources(disk=99999)"])
def test_unsupported_is_refused_by_name(files, tmp_path, attribute):
    script = tmp_path / "refused.py"
    script.write_text(f"from metaflow import FlowSpec, kubernetes, resources, step\n\n\nclass RefusedFlow(FlowSpec):\n    @{attribute}\n"
                      "    @step\n    def start(self):\n        self.next(self.end)\n\n    @step\n    def end(self):\n        pass\n\n\n"
                      "if __name__ == '__main__':\n    RefusedFlow()\n")
    done = files.create(script, check=False)
    assert done.returncode != 0
    says = done.stdout + done.stderr
    assert "start" in says and attribute.partition("(")[2].partition("=")[0] in says
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 401),
    ({"Authorization": "Bearer wrong"}, 401),
    ({"Authorization": "right", "Origin": "http://evil.example"}, 403),
    ({"Authorization": "right", "Host": "evil.example"}, 403),
    ({"Authorization": "right", "Content-Type": "text/plain"}, 415),
], ids=["no token", "wrong token", "a web page", "rebound name", "form post"])
def test_strangers_start_nothing(files, headers, status):
    token = (files.home / "token").read_text().strip()
    before = files.kfp("GET", "/runs").get("total_size", 0)
    url = files.environment["METAFLOW_KUBEFLOW_PIPELINES_URL"].rstrip("/") + "/apis/v2beta1/runs"
    sent = {"Content-Type": "application/json", **headers}
    if sent.get("Authorization") == "right":
        sent["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, b'{"display_name": "x"}', headers=sent, method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == status
    assert files.kfp("GET", "/runs").get("total_size", 0) == before
