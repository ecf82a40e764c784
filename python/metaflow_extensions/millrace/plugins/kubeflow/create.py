"""`create`: flow and code package to the datastore, then `driver deploy`."""

import os
import tempfile

from metaflow import metaflow_config as config
from metaflow.package import MetaflowPackage
from metaflow.tagging_util import validate_tags

from . import binary, definition, flow_parameters, names, tokens
from .errors import KubeflowPipelinesException
from .refuse import refuse
from .trigger import write_attributes


def create(
    obj,
    only_yaml,
    output,
    tags,
    user_namespace,
    max_workers,
    max_splits,
    launcher,
    image,
    install_sdks,
    authorize,
    generate_new_token,
    given_token,
    deployer_attribute_file,
):
    obj.check(obj.graph, obj.flow, obj.environment, pylint=obj.pylint)
    pipeline, token_prefix, is_project = names.resolve(obj.millrace_name)
    validate_tags(tags)
    if output and not only_yaml:
        raise KubeflowPipelinesException("--output goes with --only-yaml.")
    if not config.SERVICE_INTERNAL_URL:
        raise KubeflowPipelinesException(
            "Runs on Kubeflow Pipelines need a metadata service. Set METAFLOW_SERVICE_URL, and METAFLOW_SERVICE_INTERNAL_URL "
            "where pods reach it at another address."
        )
    refuse(obj)
    parameters = flow_parameters.of_flow(obj)
    binary.find()
    obj.echo("%s *%s* for Kubeflow Pipelines..." % ("Compiling" if only_yaml else "Deploying", pipeline), bold=True)
    token = tokens.resolve(obj, token_prefix, is_project, authorize, given_token, generate_new_token)

    described = definition.build(
        obj,
        pipeline=pipeline,
        parameters=parameters,
        package=save_package(obj),
        token=token,
        tags=tags,
        namespace=user_namespace,
        max_workers=max_workers,
        max_splits=max_splits,
        install_sdks=install_sdks,
    )
    data = definition.encode(described)
    url, _ = obj.flow_datastore.save_data([data], len_hint=1)[0]
    with tempfile.TemporaryDirectory(prefix="millrace-") as folder:
        path = os.path.join(folder, "definition.json")
        with open(path, "wb") as f:
            f.write(data)
        args = ["--definition", path, "--definition-url", definition.place(obj, url)]
        if launcher:
            args += ["--launcher", launcher]
        if image:
            args += ["--image", image]
        if only_yaml:
            compiled(obj, args, output)
        else:
            deployed(obj, pipeline, args)
    write_attributes(deployer_attribute_file, name=pipeline, flow_name=obj.flow.name, metadata=obj.metadata.metadata_str())


def save_package(obj):
    """The code package, raw in the datastore: what a launcher fetches."""
    obj.package = MetaflowPackage(obj.flow, obj.environment, obj.echo, suffixes=obj.package_suffixes)
    blob = bytes(obj.package.blob)
    url, sha1 = obj.flow_datastore.save_data([blob], len_hint=1)[0]
    return definition.package_of(blob, url, sha1, obj.package.package_metadata)


def compiled(obj, args, output):
    if output:
        binary.run("compile", *args, "--output", os.path.abspath(output))
        obj.echo("The pipeline of *%s* is in %s." % (obj.flow.name, output), bold=True)
    else:
        obj.echo_always(binary.run("compile", *args).rstrip("\n"), err=False, no_bold=True)


def deployed(obj, pipeline, args):
    if obj.millrace_url:
        args = args + ["--kfp-url", obj.millrace_url]
    report = binary.run_json("deploy", *args)
    obj.echo(
        "Version *%s* of pipeline *%s* for flow *%s* %s Kubeflow Pipelines.\n"
        % (
            report.get("version", ""),
            report.get("pipeline", pipeline),
            obj.flow.name,
            "is already the newest on" if report.get("unchanged") else "deployed to",
        ),
        bold=True,
    )
    if report.get("url"):
        obj.echo("See it at %s" % report["url"], bold=True)
    obj.echo("Start a run with")
    obj.echo("    kubeflow-pipelines trigger", fg="green")
