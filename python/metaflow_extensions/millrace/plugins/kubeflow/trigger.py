"""`trigger`: start a run with exactly the values that were given."""

import json
import os

from . import binary, flow_parameters, names
from .errors import KubeflowPipelinesException


def trigger(obj, given, values, run_id_file, attribute_file):
    pipeline, _, _ = names.resolve(obj.millrace_name)
    args = ["--pipeline", pipeline, "--parameters", "-"]
    if obj.millrace_url:
        args += ["--kfp-url", obj.millrace_url]
    data = json.dumps(exact_values(obj, given, values), ensure_ascii=False, allow_nan=False).encode("utf-8")
    started(obj, pipeline, binary.run_json("trigger", *args, stdin=data), run_id_file, attribute_file, "triggered")


def started(obj, pipeline, report, run_id_file, attribute_file, how):
    """Says which run the driver started, to a Deployer too, and keeps it for `status`."""
    run_id = report.get("run_id")
    if not run_id:
        raise KubeflowPipelinesException("driver trigger did not say which run it started: %s" % report)
    if run_id_file:
        with open(run_id_file, "w", encoding="utf-8") as f:
            f.write(run_id)
    write_attributes(attribute_file, name=run_id, metadata=obj.metadata.metadata_str(), pathspec="%s/%s" % (obj.flow.name, run_id))
    remember(pipeline, run_id)
    obj.echo("Run of pipeline *%s* %s on Kubeflow Pipelines (run-id *%s*)." % (pipeline, how, run_id), bold=True)
    obj.echo("Run id: %s" % run_id)
    if report.get("url"):
        obj.echo("See it at %s" % report["url"], bold=True)


def write_attributes(path, **attributes):
    """What a Deployer waits for that started this command."""
    if path:
        with open(path, "w", encoding="utf-8") as f:
            json.dump(attributes, f)


def exact_values(obj, given, values):
    """What the user set, by the parameters' own names. The others keep the
    values they were deployed with, whatever the file says by now."""
    out = {}
    for _, param in obj.flow._get_parameters():
        if param.IS_CONFIG_PARAMETER:
            continue
        key = param.name.replace("-", "_").lower()
        if key not in given:
            continue
        kind, _ = flow_parameters.type_of(param)
        out[param.name] = flow_parameters.exact(param.name, kind, flow_parameters.stored(values.get(key)))
    return out


def _last_run_file(pipeline):
    home = os.path.expanduser(os.environ.get("METAFLOW_HOME", "~/.metaflowconfig"))
    return os.path.join(home, "millrace", "last-run", pipeline)


def remember(pipeline, run_id):
    path = _last_run_file(pipeline)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(run_id)
    except OSError:
        pass  # a convenience of `status`, not worth failing for


def last_run(pipeline):
    try:
        with open(_last_run_file(pipeline), encoding="utf-8") as f:
            return f.read().strip() or None
    except OSError:
        return None
