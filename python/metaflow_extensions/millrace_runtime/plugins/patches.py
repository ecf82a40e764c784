"""What the shim changes inside Metaflow, each change checked first.

A name that is not what we know is left alone: the task then does more itself
(it compresses, for one) or keeps a habit of Metaflow's, and its log says so.
"""

import inspect
import io

from . import wire

_applied = False


def apply():
    """Called by the first store that is made: by then Metaflow is complete."""
    global _applied
    if _applied:
        return
    _applied = True
    for patch in (_pass_artifacts_through, _cards_beside_the_artifacts):
        try:
            patch()
        except Exception as error:
            wire.note("this Metaflow is not as expected: %s left as it is (%s)" % (patch.__name__.strip("_").replace("_", " "), error))


def _ours(storage):
    from .storage import LauncherStorage

    return wire.socket_path() is not None and isinstance(storage, LauncherStorage)


def _pass_artifacts_through():
    """The launcher compresses, so Python does not."""
    from metaflow.datastore.content_addressed_store import ContentAddressedStore

    stock = _function(ContentAddressedStore, "_pack_v1", ["self", "blob"])

    def _pack_v1(self, blob):
        if _ours(getattr(self, "_storage_impl", None)):
            return io.BytesIO(blob)
        return stock(self, blob)

    ContentAddressedStore._pack_v1 = _pack_v1


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


def _function(owner, name, parameters):
    """The function behind a method, when it takes what we think it takes."""
    found = inspect.getattr_static(owner, name)
    found = getattr(found, "__func__", found)
    takes = list(inspect.signature(found).parameters)
    if takes != parameters:
        raise TypeError("%s.%s takes %s" % (owner.__name__, name, ", ".join(takes)))
    return found
