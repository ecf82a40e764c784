"""The SDKs that Metaflow would have installed, for images that lack them.

Metaflow's pods install the SDK of their store before every task. Here nothing
does unless code of the flow's package imports one that is not there: then pip
installs it, once per pod, into a folder that comes last on sys.path. What the
image has stays in place and in its version.

`metaflow.S3` in a plain image -> ModuleNotFoundError about to be raised ->
Finder.find_spec -> pip -> the same import goes on.
"""

import contextlib
import fcntl
import importlib
import importlib.machinery
import os
import shutil
import subprocess
import sys

from . import wire

# What Metaflow installs for each kind of store, without its own programs that
# fetch the code package.
PACKAGES = {
    "s3": ["boto3", "requests"],
    "gs": ["google-cloud-storage", "google-auth", "google-cloud-secret-manager", "packaging", "requests"],
    "azure": ["azure-identity", "azure-storage-blob", "azure-keyvault-secrets", "requests"],
    "requests": ["requests"],
}

# The modules by which they are asked for. Those of Google and Azure lie in
# packages that others fill too, so the outermost name may be what is missing.
_MODULES = {
    "s3": "boto3 botocore s3transfer",
    "gs": "google google.cloud google.cloud.storage google.cloud.exceptions google.cloud.secretmanager google.cloud.secretmanager_v1 "
    "google.auth google.api_core",
    "azure": "azure azure.storage azure.storage.blob azure.identity azure.core azure.keyvault azure.keyvault.secrets",
    "requests": "requests",
}
_KINDS = {module: kind for kind, modules in _MODULES.items() for module in modules.split()}

# Of pip's output in an error.
_TAIL = 2000


class CannotInstall(ModuleNotFoundError):
    """An SDK that the image lacks and that cannot be had."""


def attach():
    sys.meta_path.append(Finder())


def folder():
    """The pod's folder for SDKs; the launcher names it."""
    return os.environ.get("MILLRACE_SDKS")


class Finder:
    """Last on sys.meta_path: asked only for what nobody else has found."""

    def __init__(self):
        self._refused = {}

    def find_spec(self, name, path=None, target=None):
        kind = _KINDS.get(name)
        if kind is None or not folder() or not _wanted(kind, _importer()):
            return None
        if kind in self._refused:
            raise CannotInstall(self._refused[kind], name=name)
        place = os.path.join(folder(), kind)
        if place in sys.path:
            return None
        try:
            _provide(kind, place)
        except CannotInstall as error:
            self._refused[kind] = str(error)
            error.name = name
            raise
        _use(place)
        return importlib.machinery.PathFinder.find_spec(name, path)

    def invalidate_caches(self):
        pass


def _wanted(kind, importer):
    """Metaflow's imports are needed, and the flow's own find what Metaflow's
    pods would have. A library that merely looks whether it could use an SDK
    is answered as ever."""
    root = os.environ.get("METAFLOW_EXTRACTED_ROOT")
    if not root or not _below(importer, root):
        return False
    metaflow = os.path.dirname(os.path.dirname(os.path.abspath(sys.modules["metaflow"].__file__)))
    return kind in ("requests", os.environ.get("METAFLOW_CODE_DS")) or _below(importer, metaflow)


def _importer():
    """The file in which the import stands. That of the flow's own file is
    relative to the task's folder."""
    frame = sys._getframe(1)
    while frame:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith("<") and os.path.basename(os.path.dirname(file)) != "importlib":
            return os.path.join(os.environ.get("METAFLOW_EXTRACTED_ROOT", ""), file)
        frame = frame.f_back
    return ""


def _below(file, root):
    return os.path.realpath(file).startswith(os.path.realpath(root) + os.sep)


def _use(place):
    sys.path.append(place)
    # Programs that Metaflow starts (s3op.py) import the SDK before the shim.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), place)))
    importlib.invalidate_caches()


def _provide(kind, place):
    """Sees to it that the folder holds the SDK."""
    if os.path.isdir(place):
        return
    packages = " ".join(PACKAGES[kind])
    if os.environ.get("METAFLOW_SKIP_INSTALL_DEPENDENCIES"):
        message = (
            "%s: not in the image of this step, and nothing is installed (METAFLOW_SKIP_INSTALL_DEPENDENCIES). "
            "Add it to the image, or deploy with --install-sdks=auto." % packages
        )
        wire.note(message)
        raise CannotInstall(message)
    with _alone():
        if not os.path.isdir(place):
            wire.note("Installing %s, which the image of this step lacks. Add it to the image to save the time." % packages)
            _install(kind, place)


@contextlib.contextmanager
def _alone():
    """One installation at a time in a pod, whichever process begins it."""
    os.makedirs(folder(), exist_ok=True)
    with open(os.path.join(folder(), "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(kind, place):
    made = place + ".new"
    shutil.rmtree(made, ignore_errors=True)  # of one that was ended in the middle
    os.mkdir(made)
    constraints = os.path.join(folder(), "constraints.txt")
    with open(constraints, "w", encoding="utf-8") as f:
        f.write("".join(sorted(_installed())))
    command = [sys.executable, "-m", "pip", "install", "--no-compile", "--no-cache-dir", "--disable-pip-version-check", "--no-input",
               "--progress-bar=off", "--target", made, "--constraint", constraints, *PACKAGES[kind]]  # fmt: skip
    # Not in the task's folder, nor with its code on the path: a file of the
    # flow's may be called as one of pip's modules.
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MILLRACE_SOCKET")}
    done = subprocess.run(command, cwd=folder(), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        shutil.rmtree(made, ignore_errors=True)
        _give_up(kind, done)
    os.rename(made, place)


def _installed():
    """The image's packages in their versions, as constraints of pip's."""
    from importlib import metadata

    for found in metadata.distributions():
        name = found.metadata["Name"]
        if name and found.version:
            yield "%s==%s\n" % (name, found.version)


def _give_up(kind, done):
    said = done.stdout.decode("utf-8", "replace").strip()[-_TAIL:]
    message = "pip could not install %s (exit code %d). Add it to the image of this step, or see that the pod reaches the package index. pip said:\n%s" % (
        " ".join(PACKAGES[kind]), done.returncode, said,
    )  # fmt: skip
    wire.note(message)
    # The index or the way to it, and not the user's code: so the attempt is
    # not charged to the user.
    with contextlib.suppress(wire.LauncherError):
        wire.call("trouble", message=message)
    raise CannotInstall(message)
