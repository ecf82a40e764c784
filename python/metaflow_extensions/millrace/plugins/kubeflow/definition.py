"""The FlowDefinition: the flow as deployed, for the compiler, the driver and
every launcher. Its fields are those of internal/flowdef, schema 1."""

import hashlib
import json
import os
import sys

from metaflow import metaflow_version
from metaflow.decorators import flow_decorators
from metaflow.util import get_username

from . import environment, resources

SCHEMA = 1

_TYPES = {"split": "split-static"}


def build(obj, *, pipeline, parameters, package, token, tags, namespace, max_workers, max_splits, install_sdks):
    graph = obj.graph
    steps = [step(obj, graph[name]) for name in graph.sorted_nodes]
    return {
        "schema": SCHEMA,
        "flow": obj.flow.name,
        "pipeline": pipeline,
        "script": os.path.basename(sys.argv[0]),
        # Metaflow knew these names only before flows could choose them.
        "start_step": getattr(graph, "start_step", "start"),
        "end_step": getattr(graph, "end_step", "end"),
        "steps": steps,
        "parameters": parameters,
        "code_package": package,
        "datastore": {"type": obj.flow_datastore.TYPE, "root": _root(obj)},
        "top_options": top_options(obj),
        "environment": environment.of_flow(obj, install_sdks),
        "system_tags": system_tags(obj, token),
        "tags": list(tags or ()),
        **({"namespace": namespace} if namespace else {}),
        "owner": get_username() or "",
        "production_token": token,
        "python": os.path.abspath(sys.executable),
        "metaflow_version": metaflow_version.get_version(),
        "max_workers": max_workers,
        "max_splits": max_splits,
    }


def encode(definition):
    return json.dumps(definition, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def package_of(blob, url, sha1, metadata):
    return {"url": url, "sha1": sha1, "sha256": hashlib.sha256(blob).hexdigest(), "size": len(blob), "metadata": metadata}


def step(obj, node):
    kubernetes = resources.kubernetes_of(obj, node)
    shape, shape_env = resources.of_step(node, kubernetes)
    out = {
        "name": node.name,
        "type": _type(node),
        "next": list(node.out_funcs),
        "retry": _retry(node),
        "resources": shape,
        "executable": _executable(obj, node, kubernetes),
    }
    optional = {
        "join": node.num_args > 1,
        "split_parents": list(node.split_parents),
        "matching_join": node.matching_join,
        "foreach_var": node.foreach_param,
        "condition": getattr(node, "condition", None),
        "switch_cases": {json.dumps(k): v for k, v in (getattr(node, "switch_cases", None) or {}).items()},
        "parallel": bool(node.parallel_step),
        "timeout_seconds": _timeout(node),
        "environment": {**_variables(node), **shape_env},
        "with": _added(obj, node),
        "bootstrap": _bootstrap(obj, node),
    }
    out.update((k, v) for k, v in optional.items() if v)
    return out


def _on_this_machine(obj, node):
    """Whether the step runs in an environment of conda's on a local store: then
    it is there already, as for a plain run, and pods see the same files.
    Metaflow keeps packages for other machines on clouds' stores only."""
    is_disabled = getattr(obj.environment, "is_disabled", None)
    if is_disabled is None or obj.flow_datastore.TYPE != "local":
        return False
    return not is_disabled(next(step for step in obj.flow if step.name == node.name))


def _executable(obj, node, kubernetes):
    if _on_this_machine(obj, node):
        return obj.environment.interpreter(node.name) + " -s"
    return obj.environment.executable(node.name, kubernetes.attributes.get("executable"))


def _bootstrap(obj, node):
    if _on_this_machine(obj, node):
        return []
    return list(obj.environment.bootstrap_commands(node.name, obj.flow_datastore.TYPE))


def _type(node):
    if node.type == "foreach":
        return "split-parallel" if node.parallel_foreach else "split-foreach"
    return _TYPES.get(node.type, node.type)


def _retry(node):
    counts = [deco.step_task_retry_count() for deco in node.decorators] or [(0, 0)]
    delay = 0
    for deco in node.decorators:
        if deco.name == "retry":
            delay = round(float(deco.attributes["minutes_between_retries"]) * 60)
    return {"user_retries": max(c[0] for c in counts), "error_retries": max(c[1] for c in counts), "delay_seconds": delay}


def _timeout(node):
    # The last one counts, as for Metaflow.
    seconds = [deco.secs for deco in node.decorators if deco.name == "timeout"]
    return int(seconds[-1]) if seconds else 0


def _variables(node):
    out = {}
    for deco in node.decorators:
        if deco.name == "environment":
            out.update((str(k), str(v)) for k, v in (deco.attributes.get("vars") or {}).items() if v is not None)
    return out


def _added(obj, node):
    """The decorators that are not in the source, as --with wants them."""
    func = getattr(obj.flow, node.name)
    every = list(node.decorators) + list(getattr(func, "wrappers", ())) + list(getattr(func, "config_decorators", ()))
    return [deco.make_decorator_spec() for deco in every if not deco.statically_defined and deco.inserted_by is None]


def top_options(obj):
    """Options before the sub-command: the environment, and those of flow
    decorators (@project)."""
    out = [] if obj.environment.TYPE == "local" else ["--environment=" + obj.environment.TYPE]
    for deco in flow_decorators(obj.flow):
        for name, value in deco.get_top_level_options():
            option = "--" + name.replace("_", "-")
            if value is True:
                out.append(option)
            elif value is not None and value is not False:
                out += ["%s=%s" % (option, v) for v in (value if isinstance(value, (list, tuple)) else [value])]
    return out


def system_tags(obj, token):
    """The system tags tasks will give what they register, by Metaflow's own
    function, which reads them from a task's environment."""
    want = {"METAFLOW_RUNTIME_NAME": environment.RUNTIME, "METAFLOW_PRODUCTION_TOKEN": token}
    had = {name: os.environ.get(name) for name in want}
    os.environ.update(want)
    try:
        tags = set(obj.metadata._get_system_tags())
    finally:
        for name, value in had.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    # Flow decorators (@project) have added theirs to the deployment's own.
    tags.update(tag for tag in obj.metadata.sticky_sys_tags if tag.startswith(("project:", "project_branch:")))
    return sorted(tags)


def place(obj, url):
    """How the launcher is told of an object's URL where the store's type is not said beside it."""
    return "azure://" + url if obj.flow_datastore.TYPE == "azure" else url


def _root(obj):
    root = obj.flow_datastore.datastore_root
    return os.path.abspath(root) if obj.flow_datastore.TYPE == "local" else root
