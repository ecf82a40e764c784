"""Runs the `driver` program, which compiles, deploys, triggers and asks."""

import json
import os
import shutil
import subprocess
import sys

from .errors import KubeflowPipelinesException

VARIABLE = "MILLRACE_DRIVER_BIN"


def find(env=None):
    """MILLRACE_DRIVER_BIN, else the one installed beside this interpreter,
    else the one on PATH."""
    named = (os.environ if env is None else env).get(VARIABLE)
    if named:
        if not os.access(named, os.X_OK):
            raise KubeflowPipelinesException("%s is %s, which is no program that can be run." % (VARIABLE, named))
        return named
    beside = os.path.join(os.path.dirname(sys.executable), "driver")
    if os.path.isfile(beside) and os.access(beside, os.X_OK):
        return beside
    found = shutil.which("driver")
    if found is None:
        raise KubeflowPipelinesException("The program `driver` is not there. Install it on PATH, or name it in %s." % VARIABLE)
    return found


def run(*args, stdin=None, env=None):
    """One command of the driver; its standard output as text."""
    program = find(env)
    try:
        done = subprocess.run([program, *args], input=stdin, capture_output=True, env=env)
    except OSError as error:
        raise KubeflowPipelinesException("%s could not be run: %s" % (program, error)) from error
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode != 0:
        if done.returncode < 0:
            said = "it was killed by signal %d\n%s" % (-done.returncode, said)
        raise KubeflowPipelinesException(_clean(said) or "driver %s failed with exit code %d." % (args[0], done.returncode))
    if said:
        print(said, file=sys.stderr)
    return done.stdout.decode("utf-8")


def run_json(*args, stdin=None, env=None):
    out = run(*args, "--json", stdin=stdin, env=env)
    try:
        return json.loads(out)
    except ValueError as error:
        raise KubeflowPipelinesException("driver %s printed no JSON (%s): %s" % (args[0], error, out[:200])) from error


def _clean(said):
    # The program's own prefix says nothing new here.
    return said[len("driver: ") :] if said.startswith("driver: ") else said
