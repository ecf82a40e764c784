"""One compilation of Metaflow for all tasks of a stack, instead of one per task.

A task has a folder of its own, so what Python compiles there is of no use to
the next. With this folder on PYTHONPATH bytecode is kept in MILLRACE_TEST_BYTECODE
by the file's path inside the task's folder; Python checks the time and size of
the source as ever.
"""

import importlib._bootstrap_external as external
import os
import sys

beside = external.cache_from_source


def shared(path, *args, **kwargs):
    file = os.path.basename(beside(path, *args, **kwargs))
    inside = os.path.relpath(path, os.getcwd())
    if inside.startswith(".."):
        return beside(path, *args, **kwargs)
    return os.path.join(os.environ["MILLRACE_TEST_BYTECODE"], os.path.dirname(inside), file)


if "MILLRACE_TEST_BYTECODE" in os.environ and not sys.dont_write_bytecode:
    external.cache_from_source = shared
