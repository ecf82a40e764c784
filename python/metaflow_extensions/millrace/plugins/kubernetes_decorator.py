"""@kubernetes where Kubernetes is not asked for pods by Metaflow itself.

Under our command, and in a task that a launcher runs, the decorator is only a
description of the pod: it needs no cloud store, no Kubernetes client, and a
timeout below a minute is fine, since the launcher keeps the time and not the
pod. Everywhere else it is Metaflow's own.
"""

import os
import sys

from metaflow._vendor import click
from metaflow.plugins.kubernetes.kubernetes_decorator import KubernetesDecorator as Stock
from metaflow.plugins.timeout_decorator import TimeoutDecorator, get_run_time_limit_for_task

COMMAND = "kubeflow-pipelines"


def is_ours():
    """Whether this process deploys by our command or is a launcher's task."""
    if os.environ.get("MILLRACE_SOCKET"):
        return True
    ctx = click.get_current_context(silent=True)
    while ctx is not None:
        saved = getattr(ctx, "saved_args", None)
        if saved:
            return saved[0] == COMMAND
        ctx = ctx.parent
    return COMMAND in sys.argv


class KubernetesDecorator(Stock):
    def init(self):
        # Metaflow calls init() only where a class defines it itself.
        super().init()

    def step_init(self, flow, graph, step, decos, environment, flow_datastore, logger):
        if not is_ours():
            return super().step_init(flow, graph, step, decos, environment, flow_datastore, logger)
        timed = [deco for deco in decos if isinstance(deco, TimeoutDecorator)]
        others = [deco for deco in decos if deco not in timed]
        super().step_init(flow, graph, step, others, environment, _AnyStore(flow_datastore), logger)
        self.flow_datastore = flow_datastore
        self.run_time_limit = get_run_time_limit_for_task(decos)

    def package_init(self, flow, step_name, environment):
        if not is_ours():
            super().package_init(flow, step_name, environment)


class _AnyStore:
    """A store that passes for a cloud's while the decorator checks."""

    TYPE = "s3"

    def __init__(self, flow_datastore):
        self._flow_datastore = flow_datastore

    def __getattr__(self, name):
        return getattr(self._flow_datastore, name)
