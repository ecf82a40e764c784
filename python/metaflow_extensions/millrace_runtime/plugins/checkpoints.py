"""@checkpoint's files, which go through the launcher like any other.

The extension metaflow-checkpoint puts functions of its own into each kind of
store, which reach for that store's own client, or link to the files of a
local one. They stand in tables by the type of a store, so another function
can take a place in them.
"""

import sys

from metaflow.datastore.datastore_storage import CloseAfterUse

TABLES = "metaflow_extensions.obcheckpoint.plugins.machine_learning_utilities.datastore.storage_injections"
TYPES = ("local", "s3", "gs", "azure")


def apply():
    tables = sys.modules.get(TABLES)
    if tables is None:
        return
    for name, function in (
        ("STORAGE_INJECTIONS_SINGLE_FILE_SAVE", save_file),
        ("STORAGE_INJECTIONS_MULTIPLE_FILE_SAVE", save_files),
        ("STORAGE_INJECTIONS_LOAD_FILES", load_files),
    ):
        table = getattr(tables, name)
        missing = [kind for kind in TYPES if kind not in table]
        if missing:
            raise KeyError("%s has no %s" % (name, ", ".join(missing)))
        table.update(dict.fromkeys(TYPES, function))


def save_file(storage, key, path, overwrite=False):
    save_files(storage, [(key, path)], overwrite=overwrite)


def save_files(storage, key_path_tuples, overwrite=False):
    storage.save_bytes(_opened(key_path_tuples), overwrite=overwrite)


def _opened(key_path_tuples):
    for key, path in key_path_tuples:
        with open(path, "rb") as f:
            yield key, f


def load_files(storage, keys):
    """What is loaded stays with the task: on a local store @checkpoint links
    to it instead of moving it."""
    return CloseAfterUse(storage.load_kept(list(keys)))
