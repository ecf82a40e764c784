"""`status`: how a run stands, as KFP and the driver see it."""

from . import binary, names
from .errors import KubeflowPipelinesException
from .trigger import last_run


def status(obj, run_id, as_json):
    if run_id is None:
        pipeline, _, _ = names.resolve(obj.millrace_name)
        run_id = last_run(pipeline)
        if run_id is None:
            raise KubeflowPipelinesException("No run of *%s* was triggered from here: name one by --run-id." % pipeline)
    args = ["status", "--run-id", run_id.rpartition("/")[2]]
    if obj.millrace_url:
        args += ["--kfp-url", obj.millrace_url]
    if as_json:
        args.append("--json")
    obj.echo_always(binary.run(*args).rstrip("\n"), err=False, no_bold=True)
