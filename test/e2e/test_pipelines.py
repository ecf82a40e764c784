"""Pipelines that were written by hand and ran on Kubeflow Pipelines, each
container a shell: the laptop stack runs them to the same end. It knows of a
pipeline what was uploaded and nothing else."""

import collections
import json
import urllib.request

import pytest
from harness.paths import ROOT
from harness.stack import Run

PIPELINES = ROOT / "test" / "e2e" / "pipelines"

# The lines each task printed, over all of its pods.
EXPECTED = {
    "foreach-pool": {"start": 1, "work": 2, "end": 1, "finally": 1, "verify": 1},
    "nested-foreach": {"start": 1, "outer": 2, "plan-inner": 1, "inner": 3, "joinin": 2, "joinout": 1, "finally": 1},
    "switch-by-lists": {"sw": 1, "fan": 1, "plan-1": 1, "work": 3, "join": 1, "after": 1, "finally": 1},
}


def upload(stack, file) -> dict:
    token = (stack.home / "token").read_text().strip()
    boundary = "millrace-test-boundary"
    body = (f'--{boundary}\r\nContent-Disposition: form-data; name="uploadfile"; filename="{file.name}"\r\n'
            f"Content-Type: application/octet-stream\r\n\r\n{file.read_text()}\r\n--{boundary}--\r\n").encode()
    url = f"{stack.environment['METAFLOW_KUBEFLOW_PIPELINES_URL'].rstrip('/')}/apis/v2beta1/pipelines/upload?name={file.stem}"
    request = urllib.request.Request(url, body, method="POST", headers={
        "Authorization": f"Bearer {token}", "Content-Type": f"multipart/form-data; boundary={boundary}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize("name", EXPECTED)
def test_runs_as_on_kubeflow(files, name):
    pipeline = upload(files, PIPELINES / f"{name}.yaml")
    versions = files.kfp("GET", f"/pipelines/{pipeline['pipeline_id']}/versions")["pipeline_versions"]
    created = files.kfp("POST", "/runs", {"display_name": name, "pipeline_version_reference": {
        "pipeline_id": pipeline["pipeline_id"], "pipeline_version_id": versions[0]["pipeline_version_id"]}})
    run = Run(files, "", "kfp-" + created["run_id"])
    run.wait(timeout=60)
    said: collections.Counter[str] = collections.Counter()
    for log in (files.home / "logs" / run.kfp_id).rglob("*"):
        for line in log.read_text().splitlines():
            if line.startswith("running "):
                said[line.split()[1]] += 1
                assert line.split()[2] == run.kfp_id, line
            elif line.startswith("verify"):
                said["verify"] += 1
    assert said == EXPECTED[name]
