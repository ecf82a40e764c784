"""@checkpoint's files, which go through the launcher like any other.

The extension metaflow-checkpoint puts functions of its own into each kind of
store, which reach for that store's own client, or link to the files of a
local one. They stand in tables by the type of a store, so another function
can take a place in them.

For S3 it has a store of its own besides, which starts Metaflow's program for S3
for each request. That one is left to the stores that a flow names with
credentials of their own, which the launcher does not have.
"""

import inspect
import sys

from metaflow.datastore.datastore_storage import CloseAfterUse

_DATASTORE = "metaflow_extensions.obcheckpoint.plugins.machine_learning_utilities.datastore."
TABLES, CONTEXT = _DATASTORE + "storage_injections", _DATASTORE + "context"
TYPES = ("local", "s3", "gs", "azure")


def apply():
    tables = sys.modules.get(TABLES)
    if tables is None:
        return
    for name, function in (
        ("STORAGE_INJECTIONS_SINGLE_FILE_SAVE", save_file),
        ("STORAGE_INJECTIONS_MULTIPLE_FILE_SAVE", save_files),
        ("STORAGE_INJECTIONS_LOAD_FILES", load_files),
        ("STORAGE_INJECTIONS_DELETE", delete),
        ("STORAGE_INJECTIONS_DELETE_PREFIX", delete_below),
    ):
        table = getattr(tables, name)
        missing = [kind for kind in TYPES if kind not in table]
        if missing:
            raise KeyError("%s has no %s" % (name, ", ".join(missing)))
        table.update(dict.fromkeys(TYPES, function))
    _choose_ours(sys.modules[CONTEXT].ArtifactStoreContext)


def _choose_ours(context):
    stock = context._runtime_ds_type
    if list(inspect.signature(stock).parameters) != ["self", "ds_type"]:
        raise TypeError("_runtime_ds_type takes %s" % inspect.signature(stock))

    def _runtime_ds_type(self, ds_type):
        named = (self.current_context or {}).get("config") or {}
        if ds_type == "s3" and not any(value for name, value in named.items() if name != "root"):
            return ds_type
        return stock(self, ds_type)

    context._runtime_ds_type = _runtime_ds_type


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


def delete(storage, key):
    storage.delete_files([key])
    return True


def delete_below(storage, key_prefix):
    """A checkpoint is one file, or a folder of them."""
    storage.delete_files([key_prefix.rstrip("/")], below=True)
    return True
