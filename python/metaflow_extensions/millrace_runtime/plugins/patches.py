"""What the shim changes inside Metaflow, each change checked first.

A name that is not what we know is left alone: the task then does more itself
(what Metaflow compressed is decompressed again, for one) or keeps a habit of
Metaflow's, and its log says so.
"""

import inspect
import io
import os
import sys

from . import checkpoints, pickles, pickling, wire

_applied = False

# Whether artifacts reach the store as they are. Where Metaflow still
# compresses them, the store undoes it: the launcher takes contents.
passes_through = False


def apply():
    """Called by the first store that is made: by then Metaflow is complete."""
    global _applied
    if _applied:
        return
    _applied = True
    for patch in (
        _pass_artifacts_through,
        _pickle_into_files,
        _unpickle_from_files,
        _cards_beside_the_artifacts,
        _inputs_in_their_order,
        _gang_as_told,
        _checkpoints_through_the_launcher,
    ):
        try:
            patch()
        except Exception as error:
            wire.note("this Metaflow is not as expected: %s left as it is (%s)" % (patch.__name__.strip("_").replace("_", " "), error))


class Content(io.BytesIO):
    """A file of an artifact's bytes that gives them away without a copy."""

    def __init__(self, blob):
        super().__init__(blob)
        self.blob = blob


def _ours(storage):
    from .storage import LauncherStorage

    return wire.socket_path() is not None and isinstance(storage, LauncherStorage)


def _pass_artifacts_through():
    """The launcher compresses, so Python does not."""
    global passes_through
    from metaflow.datastore.content_addressed_store import ContentAddressedStore

    stock = _function(ContentAddressedStore, "_pack_v1", ["self", "blob"])

    def _pack_v1(self, blob):
        spooled = isinstance(blob, pickling.Spooled)
        if _ours(getattr(self, "_storage_impl", None)):
            return blob if spooled else Content(blob)
        return stock(self, blob.content() if spooled else blob)

    ContentAddressedStore._pack_v1 = _pack_v1
    passes_through = True


def _pickle_into_files():
    """A large artifact is in memory once while it is saved."""
    from metaflow.datastore.task_datastore import TaskDataStore

    stock = _function(TaskDataStore, "save_artifacts", ["self", "artifacts_iter", "len_hint"])
    if not passes_through:
        return  # it would have to be read to be compressed
    pickling.apply()

    def save_artifacts(self, artifacts_iter, len_hint=0):
        if not _ours(self._storage_impl):
            return stock(self, artifacts_iter, len_hint)
        with pickling.to_files():
            return stock(self, artifacts_iter, len_hint)

    TaskDataStore.save_artifacts = save_artifacts


def _unpickle_from_files():
    """A large artifact is in memory once while it is loaded, as an object."""
    from metaflow.datastore.task_datastore import TaskDataStore

    stock = _function(TaskDataStore, "load_artifacts", ["self", "names"])
    pickles.check()

    def load_artifacts(self, names):
        names = list(names)
        large = pickles.large(self, names) if _ours(self._storage_impl) else []
        if not large or len(large) < len(names):
            yield from stock(self, [name for name in names if name not in large])
        yield from pickles.load(self, large)

    TaskDataStore.load_artifacts = load_artifacts


def _cards_beside_the_artifacts():
    """Metaflow looks for the cards of a local store near the working folder,
    which here is the task's own and ends with it."""
    from metaflow.metaflow_config import CARD_SUFFIX
    from metaflow.plugins.cards.card_datastore import CardDatastore

    from .storage import LocalStorage

    stock = _function(CardDatastore, "get_storage_root", ["cls", "storage_type"])

    def get_storage_root(cls, storage_type):
        root = LocalStorage.datastore_root
        if storage_type == LocalStorage.TYPE and root and wire.socket_path():
            return LocalStorage.path_join(root, CARD_SUFFIX)
        return stock(cls, storage_type)

    CardDatastore.get_storage_root = classmethod(get_storage_root)


def _inputs_in_their_order():
    """Older versions of Metaflow hand a wide join its inputs in any order; it
    gets them in that of the splits, like a narrow one."""
    from metaflow.datastore.flow_datastore import FlowDataStore

    stock = FlowDataStore.get_task_datastores
    signature = inspect.signature(stock)
    if "pathspecs" not in signature.parameters:
        raise TypeError("FlowDataStore.get_task_datastores takes %s" % ", ".join(signature.parameters))

    def get_task_datastores(self, *args, **kwargs):
        found = stock(self, *args, **kwargs)
        asked = signature.bind(self, *args, **kwargs).arguments.get("pathspecs")
        if asked and _ours(self._storage_impl):
            place = {tuple(path.split("/")[:3]): i for i, path in enumerate(asked)}
            found.sort(key=lambda one: place.get((one.run_id, one.step_name, one.task_id), len(place)))
        return found

    FlowDataStore.get_task_datastores = get_task_datastores


def _gang_as_told():
    """@kubernetes looks the address of a gang's first member up by a call that
    knows no IPv6. The launcher has set all that it would."""
    module = sys.modules.get("metaflow.plugins.kubernetes.kubernetes_decorator")
    if module is None or "MF_PARALLEL_MAIN_IP" not in os.environ:
        return
    _function(module, "_setup_multinode_environment", ["ubf_context", "hostname_resolution_timeout"])
    module._setup_multinode_environment = lambda ubf_context, hostname_resolution_timeout: None


def _checkpoints_through_the_launcher():
    checkpoints.apply()


def _function(owner, name, parameters):
    """The function behind a method, when it takes what we think it takes."""
    found = inspect.getattr_static(owner, name)
    found = getattr(found, "__func__", found)
    takes = list(inspect.signature(found).parameters)
    if takes != parameters:
        raise TypeError("%s.%s takes %s" % (owner.__name__, name, ", ".join(takes)))
    return found
