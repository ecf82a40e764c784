"""`status`: how a run stands, as KFP and the driver see it; `terminate` ends it."""

from . import binary, names
from .errors import KubeflowPipelinesException
from .trigger import last_run


def status(obj, run_id, as_json):
    args = ["status", *of_run(obj, run_id)]
    if as_json:
        args.append("--json")
    obj.echo_always(binary.run(*args).rstrip("\n"), err=False, no_bold=True)


def terminate(obj, run_id):
    obj.echo(binary.run("terminate", *of_run(obj, run_id)).rstrip("\n"), bold=True)


def of_run(obj, run_id):
    """The driver's options that name the run, given or the last, and where it is."""
    if run_id is None:
        pipeline, _, _ = names.resolve(obj.millrace_name)
        run_id = last_run(pipeline)
        if run_id is None:
            raise KubeflowPipelinesException("No run of *%s* was triggered from here: name one by --run-id." % pipeline)
    args = ["--run-id", run_id.rpartition("/")[2]]
    return args + ["--kfp-url", obj.millrace_url] if obj.millrace_url else args
