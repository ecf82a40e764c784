"""What a FlowDefinition cannot say is refused before anything is stored. What
it can say and the compiler cannot do yet, the compiler refuses by name."""

from metaflow import R

from .errors import NotSupported

ENVIRONMENTS = ("local", "conda", "pypi", "uv")

FLOW_DECORATORS = {
    "schedule": "Start runs by hand or from a scheduler of your own.",
    "trigger": "Start runs by hand or from the event's consumer.",
    "trigger_on_finish": "Start runs by hand or from the last step of the other flow.",
    "exit_hook": "Do it in the last step, or watch the run from outside.",
}

STEP_DECORATORS = {
    "batch": "Use @kubernetes or @resources.",
    "snowpark": "",
    "slurm": "",
    "nvidia": "",
    "nvct": "",
    "skypilot_step": "",
}


def refuse(obj):
    if R.use_r():
        raise NotSupported("A flow in R")
    if obj.environment.TYPE not in ENVIRONMENTS:
        raise NotSupported("--environment=%s" % obj.environment.TYPE, hint="Use --environment=uv, or put the packages into the image.")
    for name, decorators in obj.flow._flow_decorators.items():
        if name in FLOW_DECORATORS and decorators:
            raise NotSupported("@%s" % name, hint=FLOW_DECORATORS[name])
    for node in obj.graph:
        for deco in node.decorators:
            if deco.name in STEP_DECORATORS:
                raise NotSupported("@%s" % deco.name, step=node.name, hint=STEP_DECORATORS[deco.name])
