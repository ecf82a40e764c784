"""A step's pod shape, from @kubernetes and @resources as Metaflow merges them."""

from metaflow import decorators
from metaflow import metaflow_config as config

# Attributes of @kubernetes that a pipeline's pods cannot have, by why.
UNCARRIABLE = ("secrets", "service_account", "namespace", "port", "extended_resources", "security_context")

TOLERATION = {
    "key": "key",
    "operator": "operator",
    "value": "value",
    "effect": "effect",
    "toleration_seconds": "toleration_seconds",
    "tolerationSeconds": "toleration_seconds",
}


def kubernetes_of(obj, node):
    """The step's @kubernetes; a step without one gets the defaults of the
    configuration, but the decorator is not attached: tasks have no use for it."""
    for deco in node.decorators:
        if deco.name == "kubernetes":
            return deco
    deco, _ = decorators.extract_step_decorator_from_decospec("kubernetes")
    deco.external_init()
    deco.step_init(obj.flow, obj.graph, node.name, list(node.decorators) + [deco], obj.environment, obj.flow_datastore, obj.logger)
    return deco


def of_step(node, deco):
    """Returns (resources, variables that go with them)."""
    attrs, given = deco.attributes, deco._user_defined_attributes
    cpu, memory = _number(attrs["cpu"]), _number(attrs["memory"]) + "M"
    out = {"cpu": cpu, "memory": memory}
    if str(attrs.get("qos") or "").lower() == "guaranteed":
        out["cpu_limit"], out["memory_limit"] = cpu, memory
    if "image" in given or config.KUBERNETES_CONTAINER_IMAGE or config.KUBERNETES_CONTAINER_REGISTRY:
        out["image"] = attrs["image"]
    if attrs["gpu"] is not None:
        out["gpu"] = _number(attrs["gpu"])
        out["gpu_type"] = "%s.com/gpu" % attrs["gpu_vendor"].lower()
    if attrs["shared_memory"]:
        out["shared_memory"] = "%dMi" % int(attrs["shared_memory"])
    env = {}
    if attrs["use_tmpfs"] or attrs["tmpfs_size"]:
        out["tmpfs_size"] = "%dMi" % int(attrs["tmpfs_size"])
        out["tmpfs_path"] = attrs["tmpfs_path"]
        if attrs["tmpfs_tempdir"]:
            env["METAFLOW_TEMPDIR"] = attrs["tmpfs_path"]
    if attrs["image_pull_policy"]:
        out["image_pull_policy"] = attrs["image_pull_policy"]
    if attrs["image_pull_secrets"]:
        secrets = attrs["image_pull_secrets"]
        out["image_pull_secrets"] = secrets.split(",") if isinstance(secrets, str) else [str(s) for s in secrets]
    for name in ("node_selector", "labels", "annotations", "persistent_volume_claims"):
        if attrs[name]:
            out[name] = {str(k): "" if v is None else str(v) for k, v in attrs[name].items()}
    unsupported = []
    if attrs["tolerations"]:
        out["tolerations"] = [_toleration(t, unsupported) for t in attrs["tolerations"]]
    unsupported += [name for name in UNCARRIABLE if name in given and attrs.get(name)]
    if _disk_is_asked_for(node, deco):
        unsupported.append("disk")
    if unsupported:
        out["unsupported"] = sorted(set(unsupported))
    return out, env


def _toleration(given, unsupported):
    out = {}
    for key, value in given.items():
        if key not in TOLERATION:
            unsupported.append("tolerations.%s" % key)
        elif value is not None:
            out[TOLERATION[key]] = value
    return out


def _disk_is_asked_for(node, deco):
    asked = [d for d in list(node.decorators) + [deco] if d.name in ("kubernetes", "resources")]
    sizes = [d.attributes.get("disk") for d in asked if "disk" in d._user_defined_attributes]
    return any(size is not None and float(size) != float(deco.defaults["disk"]) for size in sizes)


def _number(value):
    """Metaflow's arithmetic makes 1.0 of 1, which is the same quantity but
    not the same text."""
    return "%d" % float(value) if float(value).is_integer() else repr(float(value))
