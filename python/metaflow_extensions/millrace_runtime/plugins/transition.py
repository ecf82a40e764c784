"""The hook that tells the launcher where the flow goes on.

Metaflow keeps the transition in pickled artifacts. This decorator notes the
flow when its step is over, and the transition goes to the launcher just
before the file that makes the attempt final: by then Metaflow has decided
whether the attempt is good (@catch may have turned an exception into a
success), and no card has been rendered yet.

The launcher adds it by --with=millrace_transition to `step`, never to `init`,
whose record of the graph would name it.
"""

import os
import re

from metaflow.decorators import StepDecorator
from metaflow.exception import MetaflowException
from metaflow.unbounded_foreach import UBF_CONTROL

from . import wire

_DONE = re.compile(r"/(\d+)\.DONE\.lock$")
_GANG = "_parallel_ubf_iter"

# The finished step's flow: a process runs one step.
_finished = None
# What follows it when it did not say so itself.
_follows = []


class ExtensionOrder(MetaflowException):
    headline = "The launcher's stores are not in use"


class TransitionDecorator(StepDecorator):
    name = "millrace_transition"

    def step_init(self, flow, graph, step, decos, environment, flow_datastore, logger):
        check_overrides()

    def task_pre_step(
        self, step_name, task_datastore, metadata, run_id, task_id, flow, graph, retry_count, max_user_code_retries, ubf_context, inputs
    ):
        if ubf_context == UBF_CONTROL:
            # @kubernetes, which comes before, makes up names for the others.
            flow._control_mapper_tasks = ["%s/%s/%s" % (run_id, step_name, member) for member in _gang() or [task_id]]

    def task_post_step(self, step_name, flow, graph, retry_count, max_user_code_retries):
        _whole_gang(flow)
        _remember(flow)
        _follow(flow, graph[step_name])

    def task_exception(self, exception, step_name, flow, graph, retry_count, max_user_code_retries):
        _remember(flow)


def _gang():
    """The ids of the gang's tasks by rank, as the launcher says."""
    path = os.environ.get("MILLRACE_GANG_MEMBERS")
    if not path:
        return []
    with open(path) as f:
        return f.read().split()


def _whole_gang(flow):
    """A gang inside a foreach inherits the values of that foreach, among which
    Metaflow looks for those of the gang's members, and fails where there are
    fewer."""
    if _get(flow, "_foreach_var") != _GANG:
        return
    values = getattr(flow, "_foreach_values", None)
    if values is not None and len(values) < _get(flow, _GANG).num_parallel:
        flow._foreach_values = None


def _remember(flow):
    global _finished
    _finished = flow


def _follow(flow, node):
    """Decorators of gangs (@metaflow_ray) let only the first member run the
    user's code, which says what follows; to Metaflow that is enough."""
    global _follows
    _follows = list(node.out_funcs) if node.parallel_step and _get(flow, "_transition") is None else []


def before_save(paths):
    """Called with the paths of each batch that is about to be saved."""
    global _finished
    flow = _finished
    if flow is None:
        return
    for path in paths:
        done = _DONE.search(path)
        if done:
            _finished = None
            wire.call("transition", attempt=int(done.group(1)), **describe(flow))
            return


def describe(flow):
    task_ok = _get(flow, "_task_ok") is True
    targets, foreach = (_get(flow, "_transition") if task_ok else None) or (_follows if task_ok else (), None)
    gang = getattr(_get(flow, _GANG), "num_parallel", 0) if foreach == _GANG else 0
    splits = _get(flow, "_foreach_num_splits") if foreach and not gang else 0
    return {"task_ok": task_ok, "next": list(targets), "num_splits": splits or 0, "gang_size": gang or 0}


def _get(flow, name):
    # Only what this task has set: a flow also hands out its parent's artifacts.
    return vars(flow).get(name)


def check_overrides():
    """Another extension may have taken the place of ours, behind whose back
    the task would write."""
    from metaflow.plugins import DATASTORES, METADATA_PROVIDERS

    home = __name__.rpartition(".")[0]
    for kind, plugins, names in (("store", DATASTORES, ("local", "s3", "gs", "azure")), ("metadata provider", METADATA_PROVIDERS, ("service",))):
        for plugin in plugins:
            if plugin.TYPE in names and not plugin.__module__.startswith(home + "."):
                raise ExtensionOrder(
                    "The %s '%s' is that of %s. The launcher's shim must be the last extension in .mf_meta/INFO."
                    % (kind, plugin.TYPE, plugin.__module__)
                )
