"""The environment of a user's shell: nothing of the caller's settings."""

import os
import pathlib

from .paths import BIN, PYTHON

KEPT = ("LANG", "LC_ALL", "SSL_CERT_FILE", "TZ")


def user_environment(folder: pathlib.Path, **extra: str) -> dict[str, str]:
    """Variables for commands typed by a user whose home is `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {
        "LANG": "C.UTF-8",
        **kept,
        "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "METAFLOW_HOME": str(folder / "metaflow"),
        "METAFLOW_CLIENT_CACHE_PATH": str(folder / "client"),
        "METAFLOW_USER": "tester",
        "MILLRACE_DRIVER_BIN": str(BIN / "driver"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **extra,
    }
