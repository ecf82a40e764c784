"""What of the deployer's settings goes into the document, which is no place
for secrets."""

import json

import pytest
from deploying import LINEAR

SECRETS = {
    "METAFLOW_SERVICE_AUTH_KEY": "s3cret-key",
    "METAFLOW_SERVICE_HEADERS": '{"x-api-key": "s3cret-header"}',
    "METAFLOW_SERVICE_AUTH_TOKEN": "s3cret-token",
    "AWS_SECRET_ACCESS_KEY": "s3cret-aws",
    "MILLRACE_TOKEN": "s3cret-token-of-ours",
    "METAFLOW_ANYTHING_ELSE": "s3cret-else",
}


def test_no_secret_is_captured(user, make_flow):
    user.create(make_flow(LINEAR), environment=SECRETS)
    assert "s3cret" not in json.dumps(user.call())


@pytest.mark.parametrize(("given", "captured"), [
    ({"METAFLOW_SERVICE_INTERNAL_URL": "http://inside"}, {"METAFLOW_SERVICE_URL": "http://inside"}),
    ({"METAFLOW_S3_ENDPOINT_URL": "http://minio:9000"}, {"METAFLOW_S3_ENDPOINT_URL": "http://minio:9000"}),
    ({"METAFLOW_DATASTORE_SYSROOT_S3": "s3://b/p"}, {"METAFLOW_DATASTORE_SYSROOT_S3": "s3://b/p", "METAFLOW_CARD_S3ROOT": "s3://b/p/mf.cards"}),
    ({"METAFLOW_CONDA_PACKAGE_S3ROOT": "s3://b/conda"}, {"METAFLOW_CONDA_PACKAGE_S3ROOT": "s3://b/conda"}),
    ({"METAFLOW_DEBUG_S3CLIENT": "1"}, {"METAFLOW_DEBUG_S3CLIENT": "True"}),
    ({"METAFLOW_DEFAULT_METADATA": "local"}, {"METAFLOW_DEFAULT_METADATA": "service", "METAFLOW_USER": "kubeflow-pipelines", "METAFLOW_OWNER": "tester"}),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else None)
def test_settings(user, make_flow, given, captured):
    user.create(make_flow(LINEAR), environment=given)
    environment = user.call()["definition"]["environment"]
    assert {name: environment.get(name) for name in captured} == captured
