"""`resume`: start a run that takes over the finished tasks of another.

Task ids are places in the graph, so a task of the new run finds its like in
the other by its own step and id. That holds only where the graph is the same:
it is compared with the deployed one, which is what will run, before anything
is started.
"""

import hashlib
import json

from metaflow.exception import MetaflowException

from . import binary, names
from .errors import KubeflowPipelinesException
from .trigger import last_run, started

# The task of the parameters, in every run of this runtime.
PARAMETERS, PARAMETERS_TASK = "_parameters", "params"


class CannotResume(KubeflowPipelinesException):
    headline = "The run cannot be resumed"


def resume(obj, origin_run_id, step, run_id_file, attribute_file):
    pipeline, _, _ = names.resolve(obj.millrace_name)
    origin = origin_of(obj, pipeline, origin_run_id)
    before = steps_of_run(obj, origin)
    now = steps_deployed(obj, pipeline)
    if step is not None and step not in now:
        raise CannotResume("The flow has no step *%s*. Its steps are %s." % (step, ", ".join(now)))
    differences = compare(before, now)
    if differences:
        raise CannotResume(
            "The steps of *%s* are not those deployed now: %s. Resume takes over tasks by their place in the flow, so its steps must be the same; "
            "deploy them as they were, or start a new run with trigger." % (origin, "; ".join(differences))
        )
    args = ["trigger", "--pipeline", pipeline, "--resume-from", origin]
    if step is not None:
        args += ["--resume-step", step]
    if obj.millrace_url:
        args += ["--kfp-url", obj.millrace_url]
    started(obj, pipeline, binary.run_json(*args), run_id_file, attribute_file, "resumes *%s*" % origin)


def origin_of(obj, pipeline, given):
    """The run id of what was named: kfp-... or Flow/kfp-..."""
    if given is None:
        given = last_run(pipeline)
        if given is None:
            raise CannotResume("No run of *%s* was triggered from here: name one by --origin-run-id." % pipeline)
    flow, slash, run_id = given.rpartition("/")
    if slash and flow != obj.flow.name:
        raise CannotResume("*%s* is no run of the flow *%s*." % (given, obj.flow.name))
    if not run_id or run_id in (".", ".."):
        raise CannotResume("*%s* is no run id." % given)
    return run_id


def steps_of_run(obj, run_id):
    """The steps of a run, as its own record of the graph has them."""
    storage = obj.flow_datastore._storage_impl
    where = "the %s datastore %s" % (storage.TYPE, storage.datastore_root)
    found = [storage.basename(path) for path, _ in storage.list_content([storage.path_join(obj.flow.name, run_id, PARAMETERS)])]
    if not found:
        raise CannotResume("There is no run *%s* of the flow *%s* in %s." % (run_id, obj.flow.name, where))
    if found != [PARAMETERS_TASK]:
        raise CannotResume(
            "*%s* was not run on Kubeflow Pipelines by this extension (its first task is %s/%s): its tasks cannot be told by their place. "
            "Metaflow's own `resume` goes on with runs of Metaflow's own `run`." % (run_id, PARAMETERS, sorted(found)[0])
        )
    try:
        task = obj.flow_datastore.get_task_datastore(run_id, PARAMETERS, PARAMETERS_TASK)
        graph = task["_graph_info"]
    except (MetaflowException, KeyError) as error:
        raise CannotResume("*%s* did not get as far as its parameters, so there is nothing to take over: %s" % (run_id, error)) from error
    return {name: of_step(s) for name, s in graph["steps"].items()}


def steps_deployed(obj, pipeline):
    """The steps of the definition from which the newest version was made."""
    args = ["deployed", "--pipeline", pipeline]
    if obj.millrace_url:
        args += ["--kfp-url", obj.millrace_url]
    report = binary.run_json(*args)
    url, digest = report["definition_url"], report["definition_sha256"]
    try:
        # Content is kept under its SHA-1, the end of its URL.
        [(_, data)] = obj.flow_datastore.load_data([url.rpartition("/")[2]])
    except (MetaflowException, OSError, TypeError) as error:  # TypeError: Metaflow opens a file that the store does not have
        raise CannotResume(
            "The definition %s of the deployed version *%s* cannot be read from the %s datastore %s (%s). Was the flow deployed with another one?"
            % (url, report["version"], obj.flow_datastore.TYPE, obj.flow_datastore.datastore_root, error)
        ) from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise CannotResume("The definition %s is not the one from which version *%s* was made. Deploy the flow again." % (url, report["version"]))
    return {s["name"]: of_step(s) for s in json.loads(data)["steps"]}


def of_step(s):
    return s["type"], tuple(s["next"])


def compare(before, now):
    """What differs, in words."""
    out = ["the step *%s* is gone" % name for name in before if name not in now]
    out += ["the step *%s* is new" % name for name in now if name not in before]
    for name in before:
        if name in now and before[name] != now[name]:
            out.append("the step *%s* was %s and is %s" % (name, in_words(before[name]), in_words(now[name])))
    return out


def in_words(step):
    kind, following = step
    return "%s followed by %s" % (kind, ", ".join(following)) if following else kind
