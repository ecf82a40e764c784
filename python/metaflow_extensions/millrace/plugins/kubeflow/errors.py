"""What goes wrong at deploy and trigger, as Metaflow prints it: no traceback."""

from metaflow.exception import MetaflowException


class KubeflowPipelinesException(MetaflowException):
    headline = "Kubeflow Pipelines error"


class NotSupported(MetaflowException):
    headline = "Not supported on Kubeflow Pipelines"

    def __init__(self, what, step=None, hint=None):
        msg = "%s is not supported." % what if step is None else "Step *%s*: %s is not supported." % (step, what)
        super().__init__(msg + (" " + hint if hint else ""))
