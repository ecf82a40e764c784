"""The pipeline's name, and the prefix of its production tokens."""

import base64
import re
from hashlib import sha1

from metaflow import current
from metaflow.exception import MetaflowException

_INVALID = re.compile(r"[^a-zA-Z0-9_.-]")


def resolve(name):
    """Returns (pipeline name, token prefix, is project).

    Under @project both follow from project and branch, so that all who deploy
    a branch share its name and token.
    """
    project = current.get("project_name")
    if project:
        if name:
            raise MetaflowException("--name is not supported for @projects. Use --branch instead.")
        branch = ".".join((project, current.branch_name))
        digest = base64.b32encode(sha1(branch.encode("utf-8")).digest()).decode("ascii")
        return current.project_flow_name, ("mfprj-%s" % digest[:16]).lower(), True
    if name and _INVALID.search(name):
        raise MetaflowException("Name '%s' has characters other than letters, digits, '.', '-' and '_'." % name)
    pipeline = name or current.flow_name
    return pipeline, pipeline.lower(), False
